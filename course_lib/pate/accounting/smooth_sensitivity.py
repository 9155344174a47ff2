"""Sanitising: giving out a data-dependent ε with noise as large as its smooth sensitivity asks for.

The mechanism is Gaussian noise with smooth sensitivity (GNSS; Nissim, Raskhodnikova and Smith 2007; Papernot
et al. 2018, Theorem 23). Its own cost is part of what is given out. Leaves out choosing the order, `beta` and
`sigma_ss` privately: `best_release` looks at the votes, so choose on other, public votes.
"""

import math
import random
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from course_lib.i18n import _
from course_lib.pate.accounting.checks import checked_orders, checked_positive

#: The betas that are tried, times the order; Theorem 23 asks for less than a half.
BETA_TIMES_ORDER = np.arange(0.3, 0.495, 0.01)


class Release(NamedTuple):
    """How a cost is given out: GNSS's `beta`, `sigma_ss`, smooth sensitivity, and its own RDP `cost`."""

    beta: float
    sigma_ss: float
    smooth_sensitivity: float
    cost: float

    @property
    def plus_minus(self) -> float:
        """One standard deviation of the number that is given out."""
        return self.sigma_ss * self.smooth_sensitivity if self.smooth_sensitivity else 0.0


def smooth_sensitivity(sensitivity: ArrayLike, *, beta: float) -> float:
    """The largest exp(-beta d) * sensitivity[d] over distances d.

    `sensitivity` (teachers,) is the sum over queries. The result says how far ε may move; it is no ε itself.

    >>> smooth_sensitivity([1.0, 2.0, 2.0], beta=np.log(2))
    1.0
    """
    by_distance = np.asarray(sensitivity, dtype=float)
    return float((np.exp(-beta * np.arange(len(by_distance))) * by_distance).max())


def release_cost(*, beta: float, sigma_ss: float, rdp_order: float) -> float:
    """RDP of adding noise N(0, (sigma_ss * smooth sensitivity)**2), at that order (Theorem 23).

    Raises ValueError where the theorem does not hold: it asks for beta below 1 / (2 order).

    >>> round(release_cost(beta=0.225, sigma_ss=0.779, rdp_order=2), 3)
    6.77
    """
    order, sigma_ss = float(checked_orders(rdp_order)[0]), checked_positive("sigma_ss", sigma_ss)
    if not 0 < beta < 1 / (2 * order):
        message = _("beta must lie between 0 and 1 / (2 order) = {limit}, but {value} came.")
        raise ValueError(message.format(limit=1 / (2 * order), value=beta))
    return order * math.exp(2 * beta) / sigma_ss**2 + (beta * order - math.log(1 - 2 * order * beta) / 2) / (
        order - 1
    )


def best_release(sensitivity: ArrayLike, *, rdp_order: float) -> Release:
    """The beta and sigma_ss with the least cost of release plus two standard deviations of its noise.

    `sensitivity` (teachers,): the sum over queries. The choice depends on private votes.
    """
    order = float(checked_orders(rdp_order)[0])
    if not np.any(sensitivity):
        return Release(0.0, math.inf, 0.0, 0.0)  # a cost that cannot change needs no noise
    candidates = []
    for beta in BETA_TIMES_ORDER / order:
        smooth = smooth_sensitivity(sensitivity, beta=beta)
        # Where order exp(2 beta) / sigma_ss**2 + 2 smooth sigma_ss is least.
        sigma_ss = (order * math.exp(2 * beta) / smooth) ** (1 / 3)
        cost = release_cost(beta=beta, sigma_ss=sigma_ss, rdp_order=order)
        candidates.append(Release(float(beta), sigma_ss, smooth, cost))
    return min(candidates, key=lambda each: each.cost + 2 * each.plus_minus)


def sanitised_epsilon(epsilon_before_sanitising: float, release: Release) -> float:
    """One number to publish: ε before sanitising, plus the release's cost, plus its noise; made **once**.

    The noise is drawn from the system's cryptographic generator. A second draw from the same votes costs
    as much again. The number is unbiased, not a bound: it lies below the true cost half of the time.
    """
    noise = random.SystemRandom().gauss(0.0, release.plus_minus) if release.plus_minus else 0.0
    return epsilon_before_sanitising + release.cost + noise
