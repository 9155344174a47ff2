"""Conditions C5 and C6 (Papernot et al. 2018, appendix B.4.2): without them smooth sensitivity means nothing.

They are checked on a grid, as the published script checks them at a few points: evidence, not a proof.
"""

from typing import NamedTuple

import numpy as np

from course_lib.pate.accounting.local_sensitivity import gnmax_cost, log_q0, log_q_above, log_q_below

POINTS = 4000
ROUNDING = 1e-12  # relative to the data-independent cost: smaller decreases are rounding


class Conditions(NamedTuple):
    """Whether each condition holds for one sigma, order and number of classes."""

    c5: bool
    c6: bool


def check_conditions(*, sigma: float, rdp_order: float, classes: int) -> Conditions:
    """Whether beta(q) grows on (0, q0) (C5), and beta(B_U(q)) - beta(q) on (0, q1) with q1 = B_L(q0) (C6).

    >>> check_conditions(sigma=40, rdp_order=10, classes=10)
    Conditions(c5=True, c6=True)
    """
    start = log_q0(sigma=sigma, rdp_order=rdp_order)
    plateau = float(log_q_below(start, sigma=sigma, classes=classes))

    def cost(log_q: np.ndarray) -> np.ndarray:
        return gnmax_cost(log_q, sigma=sigma, rdp_order=rdp_order)

    def grows(function, end: float) -> bool:
        # Dense near the end of the interval, where both functions bend, and down to q = exp(-2000) and below.
        grid = end - np.geomspace(1e-6, 2000 - 2 * end, POINTS)[::-1]
        return bool((np.diff(function(grid)) >= -ROUNDING * rdp_order / sigma**2).all())

    c5 = grows(cost, start)
    c6 = grows(lambda each: cost(log_q_above(each, sigma=sigma, classes=classes)) - cost(each), plateau)
    return Conditions(c5, c5 and c6)
