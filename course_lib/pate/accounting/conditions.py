"""Conditions C5 and C6 (Papernot et al. 2018, appendix B.4.2): without them smooth sensitivity means nothing.

They are checked on a grid, as the published script checks them at a few points: evidence, not a proof.
One thing more is asked for than there: that the cost which is summed up (`rdp`) is beta(q), whose sensitivity
is known. For sigma below about 1.5 it is not, because Theorem 6 then says less than beta(q) above q0 as well.
"""

from typing import NamedTuple

import numpy as np

from course_lib.pate.accounting.local_sensitivity import gnmax_cost, log_q0, log_q_above, log_q_below
from course_lib.pate.accounting.rdp import gnmax_rdp_of_log_q

POINTS = 4000
ROUNDING = 1e-12  # relative to the data-independent cost: smaller decreases are rounding


class Conditions(NamedTuple):
    """Whether each condition holds for one sigma, order and number of classes."""

    c5: bool
    c6: bool


def check_conditions(*, sigma: float, rdp_order: float, classes: int) -> Conditions:
    """Whether beta(q) is the cost and grows on (0, q0) (C5), and beta(B_U(q)) - beta(q) on (0, B_L(q0)) (C6).

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

    above = np.linspace(start, 0, POINTS)
    summed_up = gnmax_rdp_of_log_q(above, [rdp_order], sigma=sigma)[:, 0]
    c5 = bool(np.allclose(summed_up, cost(above), rtol=1e-6)) and grows(cost, start)
    c6 = grows(lambda each: cost(log_q_above(each, sigma=sigma, classes=classes)) - cost(each), plateau)
    return Conditions(c5, c5 and c6)
