"""Exact accounting of Gaussian noise (Gaussian differential privacy, GDP), for any votes.

Many Gaussian mechanisms together are exactly as private as one, so nothing is lost in composing them or in
turning the result into (ε, δ). The ε is data-independent: it may be published as it is, and needs no
sanitising. Holds for queries chosen one after another as long as answering stops at a limit set beforehand
(Smith and Thakurta 2022, "Fully adaptive composition for Gaussian differential privacy"). Leaves out Laplace
noise (see `rdp`).
"""

import math

from course_lib.pate.accounting.checks import checked_delta, checked_positive


def gnmax_mu(answers: float, *, sigma: float, looks: float = 0, sigma_threshold: float = math.inf) -> float:
    """The mu of the one mechanism N(mu, 1) against N(0, 1) that is as private as all these together.

    `answers` GNMax answers with noise `sigma`: one teacher moves two counts by 1, sqrt(2) in all. `looks` at
    the noisy threshold, of Confident-GNMax: one teacher moves the top count by 1. Squares of mu add up
    (Dong, Roth and Su 2019, "Gaussian differential privacy", Corollary 3.3). Raises ValueError for negative
    numbers or noise that is not positive.

    >>> gnmax_mu(8, sigma=4), gnmax_mu(0, sigma=4, looks=9, sigma_threshold=6)
    (1.0, 0.5)
    """
    sigma = checked_positive("sigma", sigma)
    for name, count in (("answers", answers), ("looks", looks)):
        if count:
            checked_positive(name, count)
    if looks:
        checked_positive("sigma_threshold", sigma_threshold)
    return math.sqrt(2 * answers / sigma**2 + looks / sigma_threshold**2)


def gaussian_epsilon(mu: float, *, delta: float) -> float:
    """The exact epsilon at `delta`, by dp-accounting (Balle and Wang 2018, Theorem 8).

    >>> round(gaussian_epsilon(1.0, delta=1e-5), 3)
    4.377
    """
    from dp_accounting import get_epsilon_gaussian  # it takes a second to import

    delta = checked_delta(delta)
    return float(get_epsilon_gaussian(1 / mu, delta)) if mu else 0.0
