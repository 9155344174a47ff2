"""What one query costs in Rényi differential privacy (RDP): LNMax, GNMax and Confident-GNMax.

Each mechanism has a data-independent curve, which holds for all votes, and a data-dependent one, which is
lower where teachers agree and which is **private itself** (see the package). All functions take many queries
and many orders at once; costs add up over queries. Numbered statements are those of Papernot et al. 2018.
Leaves out subsampling, which PATE does not use.
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_ndtr, logsumexp

from course_lib.pate.accounting.checks import (
    checked_orders,
    checked_positive,
    checked_threshold,
    checked_votes,
)


def _log1mexp(x: np.ndarray) -> np.ndarray:
    """log(1 - exp(x)) for x < 0, to full precision near 0 and far from it."""
    near = x > -math.log(2)
    return np.where(near, np.log(-np.expm1(np.where(near, x, -1))), np.log1p(-np.exp(np.where(near, -1, x))))


def _gaps(votes: np.ndarray) -> np.ndarray:
    """By how many votes the winner leads each other class, shape (queries, classes - 1)."""
    ranked = np.sort(votes, axis=1)
    return ranked[:, -1:] - ranked[:, :-1]


def _no_more_than_guessing(log_q: np.ndarray, classes: int) -> np.ndarray:
    """A class other than the winner is never likelier than for equal votes, 1 - 1/classes."""
    return np.minimum(log_q, math.log1p(-1 / classes))


def gnmax_log_q(votes: ArrayLike, *, sigma: float) -> np.ndarray:
    """log of a bound on the probability that GNMax answers another class than the winner (Proposition 7).

    `votes` (queries, classes); noise of standard deviation `sigma` on each count. Returns (queries,), float.
    Raises ValueError for bad votes or sigma.

    >>> gnmax_log_q([[90, 10], [50, 50]], sigma=20).round(3)
    array([-6.058, -0.693])
    """
    votes, sigma = checked_votes(votes), checked_positive("sigma", sigma)
    # The difference of two noises has variance 2 sigma**2; a union bound over the other classes.
    log_q = logsumexp(log_ndtr(-_gaps(votes) / (math.sqrt(2) * sigma)), axis=1)
    return _no_more_than_guessing(log_q, votes.shape[1])


def lnmax_log_q(votes: ArrayLike, *, scale: float) -> np.ndarray:
    """The same for LNMax, with Laplace noise of that scale on each count (Papernot et al. 2017, Lemma 4).

    >>> lnmax_log_q([[90, 10], [50, 50]], scale=20).round(3)
    array([-3.595, -0.693])
    """
    votes, scale = checked_votes(votes), checked_positive("scale", scale)
    gaps = _gaps(votes) / scale
    return _no_more_than_guessing(logsumexp(np.log((2 + gaps) / 4) - gaps, axis=1), votes.shape[1])


def gnmax_rdp_data_independent(rdp_orders: ArrayLike, *, sigma: float) -> np.ndarray:
    """RDP of one GNMax answer for any votes, shape (orders,): order / sigma**2 (Proposition 8).

    >>> gnmax_rdp_data_independent([2, 4], sigma=10)
    array([0.02, 0.04])
    """
    return checked_orders(rdp_orders) / checked_positive("sigma", sigma) ** 2


def gnmax_rdp_of_log_q(log_q: ArrayLike, rdp_orders: ArrayLike, *, sigma: float) -> np.ndarray:
    """RDP of one GNMax answer for each log q and order, shape (queries, orders).

    `log_q` (queries,) bounds the log probability that the answer is not the likeliest one. Theorem 6, with
    the higher orders of Proposition 10; where it does not apply, or says less, the data-independent cost.

    >>> gnmax_rdp_of_log_q([-7.0, -1.0], [2, 4], sigma=10).round(5)
    array([[0.00127, 0.00184],
           [0.02   , 0.04   ]])
    """
    sigma, orders = checked_positive("sigma", sigma), checked_orders(rdp_orders)
    log_q = np.atleast_1d(np.asarray(log_q, dtype=float))
    cost = np.repeat(gnmax_rdp_data_independent(orders, sigma=sigma)[None], len(log_q), axis=0)
    cost[np.isneginf(log_q)] = 0.0  # an answer that never changes tells nothing
    mu2 = sigma * np.sqrt(-log_q)  # Proposition 10: the two higher orders
    with np.errstate(divide="ignore", invalid="ignore"):
        # Theorem 6: q <= exp((mu2 - 1) eps2) / (mu1/(mu1 - 1) * mu2/(mu2 - 1))**mu2, with mu1 = mu2 + 1.
        limit = (mu2 - 1) * mu2 / sigma**2 - mu2 * np.log((mu2 + 1) / (mu2 - 1))
        applies = (mu2 > 1) & np.isfinite(log_q) & (log_q <= limit)
    rows = np.flatnonzero(applies)
    bound = gnmax_bound(log_q[rows, None], orders, sigma=sigma)
    usable = mu2[rows, None] + 1 > orders  # Theorem 6 asks for mu1 >= order
    cost[rows] = np.where(usable, np.minimum(cost[rows], bound), cost[rows])
    return cost


def gnmax_bound(log_q: np.ndarray, rdp_orders: np.ndarray, *, sigma: float) -> np.ndarray:
    """Theorem 6's right-hand side, where its conditions are known to hold; arguments are broadcast."""
    mu2 = sigma * np.sqrt(-log_q)
    mu1 = mu2 + 1
    eps1, eps2 = mu1 / sigma**2, mu2 / sigma**2  # Proposition 8 at the orders mu1 and mu2
    log_1q = _log1mexp(log_q)
    log_a = log_1q - _log1mexp((log_q + eps2) * (1 - 1 / mu2))
    log_b = eps1 - log_q / (mu1 - 1)
    terms = np.logaddexp(log_1q + (rdp_orders - 1) * log_a, log_q + (rdp_orders - 1) * log_b)
    return np.maximum(terms / (rdp_orders - 1), 0.0)


def gnmax_rdp(votes: ArrayLike, rdp_orders: ArrayLike, *, sigma: float) -> np.ndarray:
    """Data-dependent RDP of each GNMax answer, shape (queries, orders). **Private**: see the package.

    >>> gnmax_rdp([[90, 10], [50, 50]], [2, 8], sigma=5).round(4)
    array([[0.  , 0.  ],
           [0.08, 0.32]])
    """
    return gnmax_rdp_of_log_q(gnmax_log_q(votes, sigma=sigma), rdp_orders, sigma=sigma)


def laplace_rdp(rdp_orders: ArrayLike, *, scale: float) -> np.ndarray:
    """RDP of Laplace noise on one number that moves by 1, shape (orders,) (Mironov 2017, Proposition 6).

    >>> laplace_rdp([2, 400], scale=20).round(6)
    array([0.002457, 0.048266])
    """
    orders, pure = checked_orders(rdp_orders), 1 / checked_positive("scale", scale)
    up = np.log(orders / (2 * orders - 1)) + (orders - 1) * pure
    down = np.log((orders - 1) / (2 * orders - 1)) - orders * pure
    return np.clip(np.logaddexp(up, down) / (orders - 1), 0.0, pure)


def lnmax_rdp_data_independent(rdp_orders: ArrayLike, *, scale: float) -> np.ndarray:
    """RDP of one LNMax answer for any votes, shape (orders,): one teacher moves two counts, each by 1.

    About half of what the 2/scale-differential privacy of LNMax says by itself.

    >>> lnmax_rdp_data_independent([2, 400], scale=20).round(6)
    array([0.004914, 0.096532])
    """
    return 2 * laplace_rdp(rdp_orders, scale=scale)


def lnmax_rdp(votes: ArrayLike, rdp_orders: ArrayLike, *, scale: float) -> np.ndarray:
    """Data-dependent RDP of each LNMax answer, shape (queries, orders). **Private**: see the package.

    Source: Papernot et al. 2017, arXiv 1610.05755, Theorem 3, with pure epsilon 2/scale.

    >>> lnmax_rdp([[90, 10], [50, 50]], [2, 8], scale=20).round(6)
    array([[0.004914, 0.006741],
           [0.004914, 0.019238]])
    """
    orders, log_q = checked_orders(rdp_orders), lnmax_log_q(votes, scale=scale)
    pure = 2 / scale
    cost = np.repeat(lnmax_rdp_data_independent(orders, scale=scale)[None], len(log_q), axis=0)
    rows = np.flatnonzero(log_q <= -np.logaddexp(pure, 0))  # the theorem asks for q <= 1 / (exp(pure) + 1)
    log_q = log_q[rows, None]
    log_1q = _log1mexp(log_q)
    stays = log_1q + (orders - 1) * (log_1q - _log1mexp(pure + log_q))
    changes = log_q + (orders - 1) * pure
    bound = np.maximum(np.logaddexp(stays, changes) / (orders - 1), 0.0)
    cost[rows] = np.minimum(cost[rows], bound)
    return cost


def log_answered(votes: ArrayLike, *, threshold: float, sigma_threshold: float) -> np.ndarray:
    """log of the probability that Confident-GNMax answers, shape (queries,): the noisy top count passes.

    Raises ValueError for a threshold that no number of teachers could reach.

    >>> np.exp(log_answered([[90, 10], [50, 50]], threshold=90, sigma_threshold=20)).round(4)
    array([0.5   , 0.0228])
    """
    votes = checked_votes(votes)
    sigma_threshold = checked_positive("sigma_threshold", sigma_threshold)
    threshold = checked_threshold(threshold, teachers=int(votes[0].sum()))
    return log_ndtr((votes.max(axis=1) - threshold) / sigma_threshold)


def threshold_rdp_data_independent(rdp_orders: ArrayLike, *, sigma_threshold: float) -> np.ndarray:
    """RDP of one look at the noisy threshold for any votes, shape (orders,): order / (2 sigma_threshold**2).

    One teacher moves the top count by 1 at most, where GNMax's counts move by sqrt(2) together: it costs as
    much as GNMax with noise sqrt(2) larger.
    """
    sigma_threshold = checked_positive("sigma_threshold", sigma_threshold)
    return gnmax_rdp_data_independent(rdp_orders, sigma=math.sqrt(2) * sigma_threshold)


def threshold_rdp(
    votes: ArrayLike, rdp_orders: ArrayLike, *, threshold: float, sigma_threshold: float
) -> np.ndarray:
    """Data-dependent RDP of each look at the noisy threshold, shape (queries, orders). **Private**.

    Theorem 6 with q the smaller of the probabilities to answer and to stay silent.
    """
    answers = log_answered(votes, threshold=threshold, sigma_threshold=sigma_threshold)
    return threshold_rdp_of_log_answered(answers, rdp_orders, sigma_threshold=sigma_threshold)


def threshold_rdp_of_log_answered(
    answers: np.ndarray, rdp_orders: ArrayLike, *, sigma_threshold: float
) -> np.ndarray:
    """The same from the log probabilities to answer, shape (queries, orders)."""
    # The log probability of silence; where answering is certain to the last bit, silence is never.
    silent = np.where(answers < 0, _log1mexp(np.minimum(answers, -np.finfo(float).tiny)), -np.inf)
    return gnmax_rdp_of_log_q(np.minimum(answers, silent), rdp_orders, sigma=math.sqrt(2) * sigma_threshold)
