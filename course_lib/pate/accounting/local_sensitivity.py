"""How much the data-dependent cost can change when one teacher's data do, near given votes and far from them.

Results have shape (queries, teachers): entry d bounds the change of a query's cost by one teacher more, at
any votes that differ from the given ones by at most d teachers. They are as private as votes. Bounds for
GNMax are valid where conditions C5 and C6 hold (see `conditions`). Numbered statements are those of Papernot
et al. 2018. Everything is computed with log q: q itself would be 0 for large ensembles. Leaves out LNMax.
"""

import functools
import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtri_exp

from course_lib.pate.accounting.checks import (
    checked_orders,
    checked_positive,
    checked_threshold,
    checked_votes,
)
from course_lib.pate.accounting.rdp import gnmax_bound, gnmax_log_q, threshold_rdp_of_log_answered


@functools.lru_cache(maxsize=1024)
def log_q0(*, sigma: float, rdp_order: float) -> float:
    """log of the q above which GNMax's data-independent cost is the lower one.

    >>> round(log_q0(sigma=40, rdp_order=10), 3)
    -3.681
    """
    sigma, order = checked_positive("sigma", sigma), float(checked_orders(rdp_order)[0])

    def excess(log_q: float) -> float:
        return float(gnmax_bound(np.float64(log_q), order, sigma=sigma)) - order / sigma**2

    # Below all three of these, Theorem 6 applies: mu2 >= 1 + sigma and mu1 > order.
    upper = -(max(1 + 1 / sigma, (order - 0.99) / sigma) ** 2)
    if excess(upper) <= 0:
        return upper
    lower = 2 * upper
    while excess(lower) > 0:  # ends: the bound falls to 0 with q
        lower *= 1.5
    return float(brentq(excess, lower, upper))


def _shifted(log_q: np.ndarray, classes: int, shift: float) -> np.ndarray:
    """log of q for votes whose every gap is larger by that many standard deviations of a difference."""
    gap = -ndtri_exp(log_q - math.log(classes - 1))
    return np.minimum(math.log(classes - 1) + log_ndtr(-(gap + shift)), 0.0)


def log_q_above(log_q: ArrayLike, *, sigma: float, classes: int) -> np.ndarray:
    """log B_U(q): no neighbour's q is larger (Proposition 13's premise); a vote moved narrows gaps by 2."""
    return _shifted(np.asarray(log_q, dtype=float), classes, -math.sqrt(2) / sigma)


def log_q_below(log_q: ArrayLike, *, sigma: float, classes: int) -> np.ndarray:
    """log B_L(q): no neighbour's q is smaller.

    >>> below = log_q_below(-5.0, sigma=40, classes=10)
    >>> bool(np.isclose(log_q_above(below, sigma=40, classes=10), -5.0))
    True
    """
    return _shifted(np.asarray(log_q, dtype=float), classes, math.sqrt(2) / sigma)


def gnmax_cost(log_q: ArrayLike, *, sigma: float, rdp_order: float) -> np.ndarray:
    """The paper's beta(q), which grows with q (condition C5): Theorem 6 up to q0, Proposition 8 above."""
    log_q, start = np.asarray(log_q, dtype=float), log_q0(sigma=sigma, rdp_order=rdp_order)
    bound = gnmax_bound(np.minimum(log_q, start), rdp_order, sigma=sigma)
    return np.where(log_q >= start, rdp_order / sigma**2, bound)


def gnmax_local_sensitivity(log_q: ArrayLike, *, sigma: float, rdp_order: float, classes: int) -> np.ndarray:
    """A bound on the change of GNMax's cost between votes with that log q and their neighbours (Algorithm 3).

    >>> gnmax_local_sensitivity([-40.0, -4.0, -0.5], sigma=40, rdp_order=10, classes=10).round(6)
    array([0.      , 0.000459, 0.      ])
    """
    log_q, start = np.asarray(log_q, dtype=float), log_q0(sigma=sigma, rdp_order=rdp_order)
    plateau = log_q_below(start, sigma=sigma, classes=classes)  # q1 = B_L(q0)
    log_q = np.where((plateau <= log_q) & (log_q <= start), plateau, log_q)
    below, here, above = (
        gnmax_cost(each, sigma=sigma, rdp_order=rdp_order)
        for each in (
            log_q_below(log_q, sigma=sigma, classes=classes),
            log_q,
            log_q_above(log_q, sigma=sigma, classes=classes),
        )
    )
    return np.maximum(above - here, here - below)


def gnmax_sensitivity_by_distance(votes: ArrayLike, *, sigma: float, rdp_order: float) -> np.ndarray:
    """Local sensitivity of GNMax's cost up to each distance, shape (queries, teachers) (Algorithms 4 and 5).

    The d teachers are moved one by one where that changes q fastest towards the plateau between q1 and q0,
    for all queries at once; a query that has arrived stays there. Raises ValueError for bad input.
    """
    votes = checked_votes(votes)
    teachers, classes = int(votes[0].sum()), votes.shape[1]
    start = log_q0(sigma=sigma, rdp_order=rdp_order)
    if gnmax_log_q([[teachers] + [0] * (classes - 1)], sigma=sigma)[0] >= start:
        return np.zeros((len(votes), teachers))  # even unanimous votes cost as much as any
    plateau = float(log_q_below(start, sigma=sigma, classes=classes))

    def sensitivity(log_q: np.ndarray) -> np.ndarray:
        return gnmax_local_sensitivity(log_q, sigma=sigma, rdp_order=rdp_order, classes=classes)

    result = np.full((len(votes), teachers), float(sensitivity(np.float64(plateau))))
    ranked = -np.sort(-votes, axis=1)  # most votes first
    log_q = gnmax_log_q(ranked, sigma=sigma)
    moving = np.flatnonzero((log_q < plateau) | (log_q > start))
    ranked, log_q, agreeing = ranked[moving], log_q[moving], log_q[moving] < plateau
    result[moving, 0] = sensitivity(log_q)
    for distance in range(1, teachers):
        going = np.where(agreeing, log_q < plateau, (log_q > start) & (ranked[:, 1] > 0))
        moving, ranked, log_q, agreeing = moving[going], ranked[going], log_q[going], agreeing[going]
        if not moving.size:
            break
        step = np.where(agreeing, -1, 1)  # from the winner to the second, or back
        ranked[:, 0] += step
        ranked[:, 1] -= step
        ranked[:, 1:] = -np.sort(-ranked[:, 1:], axis=1)
        log_q = gnmax_log_q(ranked, sigma=sigma)
        result[moving, distance] = sensitivity(log_q)
    return result


def threshold_sensitivity_by_distance(
    votes: ArrayLike, *, threshold: float, sigma_threshold: float, rdp_order: float
) -> np.ndarray:
    """The same for the noisy threshold, shape (queries, teachers): the cost depends on the top count alone.

    The published script takes the sensitivity at distance d; a sum over queries needs the largest *up to* d,
    because some queries' votes may stay where they are while others' move. That is what stands here.
    """
    votes = checked_votes(votes)
    sigma_threshold = checked_positive("sigma_threshold", sigma_threshold)
    teachers = int(votes[0].sum())
    threshold = checked_threshold(threshold, teachers=teachers)
    counts = np.arange(teachers + 1)
    answers = log_ndtr((counts - threshold) / sigma_threshold)
    cost = threshold_rdp_of_log_answered(answers, [rdp_order], sigma_threshold=sigma_threshold)[:, 0]
    step = np.abs(np.diff(cost))
    change = np.maximum(np.append(step, 0), np.append(0, step))  # one teacher more, or one less
    top, distance = votes.max(axis=1)[:, None], np.arange(teachers)
    nearby = np.maximum(change[np.minimum(top + distance, teachers)], change[np.maximum(top - distance, 0)])
    return np.maximum.accumulate(nearby, axis=1)
