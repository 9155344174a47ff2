"""Exact accounting of Gaussian noise (Gaussian differential privacy, GDP), for any votes.

Many Gaussian mechanisms together are exactly as private as one, so nothing is lost in composing them or in
turning the result into (ε, δ). The ε is data-independent: it may be published as it is, and needs no
sanitising. Holds for queries chosen one after another as long as answering stops at a limit set beforehand
(Smith and Thakurta 2022, "Fully adaptive composition for Gaussian differential privacy"). Leaves out Laplace
noise (see `rdp`).
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import elementwise
from scipy.special import log_ndtr

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


def gaussian_log_delta(epsilon: ArrayLike, mu: ArrayLike) -> np.ndarray:
    """log of the exact delta at `epsilon`, for mu above 0 (Balle and Wang 2018, Theorem 8); broadcast.

    >>> np.exp(gaussian_log_delta(4.377, 1.0)).round(7)
    1e-05
    """
    epsilon, mu = np.asarray(epsilon, dtype=float), np.asarray(mu, dtype=float)
    first = log_ndtr(mu / 2 - epsilon / mu)
    second = epsilon + log_ndtr(-mu / 2 - epsilon / mu)
    with np.errstate(divide="ignore"):  # delta is 0 to the last bit
        return first + np.log(-np.expm1(np.minimum(second - first, 0.0)))


def gaussian_epsilons(mu: ArrayLike, *, delta: float) -> np.ndarray:
    """`gaussian_epsilon` of many mu at once, (mechanisms,), a thousand times faster than one after another.

    >>> gaussian_epsilons([0.0, 1e-6, 1.0], delta=1e-5).round(3)
    array([0.   , 0.   , 4.377])
    """
    mu, log_delta = np.atleast_1d(np.asarray(mu, dtype=float)), math.log(checked_delta(delta))
    epsilons = np.zeros(mu.shape)
    positive = mu > 0
    positive[positive] = gaussian_log_delta(0.0, mu[positive]) > log_delta  # else delta alone is enough
    if positive.any():
        mu = mu[positive]
        # The tail bound of N(0, 1) puts epsilon below this.
        most = mu**2 / 2 + mu * math.sqrt(-2 * log_delta)
        found = elementwise.find_root(
            lambda each, mu: gaussian_log_delta(each, mu) - log_delta, (0.0 * mu, most), args=(mu,)
        )
        epsilons[positive] = found.x
    return epsilons
