"""The whole analysis of a table of votes: every ε that can be stated about it, each under its own name.

Promises the figures of the analysis published with the paper where orders are the paper's. The data-dependent
ones, before sanitising and around it, are as private as votes. Leaves out LNMax, whose sensitivity nobody
has worked out.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from course_lib.i18n import _
from course_lib.pate.accounting.checks import (
    checked_delta,
    checked_orders,
    checked_positive,
    checked_threshold,
    checked_votes,
)
from course_lib.pate.accounting.conditions import Conditions, check_conditions
from course_lib.pate.accounting.conversion import Converted, classic_epsilon, tight_epsilon
from course_lib.pate.accounting.gaussian import gaussian_epsilon, gnmax_mu
from course_lib.pate.accounting.local_sensitivity import (
    gnmax_sensitivity_by_distance,
    threshold_sensitivity_by_distance,
)
from course_lib.pate.accounting.orders import ORDERS
from course_lib.pate.accounting.rdp import (
    gnmax_rdp,
    gnmax_rdp_data_independent,
    log_answered,
    threshold_rdp,
    threshold_rdp_data_independent,
)
from course_lib.pate.accounting.smooth_sensitivity import Release, best_release


@dataclass(frozen=True)
class DataIndependent:
    """Holds for any votes that get that many answers, and needs no sanitising.

    It may be published where the number of answers may. GNMax's is that of the queries. Confident-GNMax's is
    the limit set beforehand, at which it stops; not the expected number, which only the votes tell.
    """

    exact_gaussian_epsilon: float
    tight: Converted
    classic: Converted
    standard_deviation: float


@dataclass(frozen=True)
class DataDependent:
    """Computed from private votes. `before_sanitising` may never be published; nor may anything else here.

    `standard_deviation`: of ε, over which queries come and which of them are answered. `release` is None
    where the conditions do not hold: then nothing can be sanitised.
    """

    before_sanitising: Converted
    standard_deviation: float
    conditions: Conditions
    release: Release | None

    @property
    def expected_after_sanitising(self) -> float | None:
        """Around which number a release would fall, `release.plus_minus` being its standard deviation."""
        return None if self.release is None else self.before_sanitising.epsilon + self.release.cost


@dataclass(frozen=True)
class Analysis:
    """What `analyse` finds; `data_dependent` is None where it was not asked for.

    `answers` is a whole number where it is known which queries were answered, else the expected number.
    """

    queries: int
    teachers: int
    classes: int
    answers: float
    data_independent: DataIndependent
    data_dependent: DataDependent | None


def analyse(
    votes: ArrayLike,
    *,
    sigma: float,
    delta: float,
    threshold: float | None = None,
    sigma_threshold: float | None = None,
    answered: ArrayLike | None = None,
    data_dependent: bool = True,
    rdp_orders: ArrayLike = ORDERS,
) -> Analysis:
    """Analyse GNMax, or Confident-GNMax where `threshold` and `sigma_threshold` are given.

    `votes` (queries, classes). `answered` (queries,), booleans, says which queries Confident-GNMax answered,
    which everybody saw; without it each counts as often as it is expected to be answered. Raises ValueError
    for bad input, with the value.

    >>> found = analyse([[230, 20]] * 500, sigma=40, delta=1e-5)
    >>> round(found.data_independent.exact_gaussian_epsilon, 2)
    3.34
    >>> dependent = found.data_dependent
    >>> round(dependent.before_sanitising.epsilon, 2), round(dependent.expected_after_sanitising, 2)
    (0.55, 1.42)
    """
    votes, orders, delta = checked_votes(votes), checked_orders(rdp_orders), checked_delta(delta)
    if (threshold is None) != (sigma_threshold is None):
        message = _(
            "threshold and sigma_threshold belong together, but {threshold} and {sigma_threshold} came."
        )
        raise ValueError(message.format(threshold=threshold, sigma_threshold=sigma_threshold))
    teachers = int(votes[0].sum())
    if threshold is not None:
        threshold = checked_threshold(threshold, teachers=teachers)
        sigma_threshold = checked_positive("sigma_threshold", sigma_threshold)
    sigma = checked_positive("sigma", sigma)
    noise = {"sigma": sigma, "threshold": threshold, "sigma_threshold": sigma_threshold}
    looks = 0 if threshold is None else len(votes)
    # Queries whose counts differ only in which class has which cost the same: each kind is computed once.
    kinds, kind, repeats = np.unique(np.sort(votes, axis=1), axis=0, return_inverse=True, return_counts=True)
    if answered is not None:
        answered = np.bincount(kind, weights=_checked_answered(answered, looks)) / repeats
    elif threshold is None:
        answered = np.ones(len(kinds))
    else:
        answered = np.exp(log_answered(kinds, threshold=threshold, sigma_threshold=sigma_threshold))
    return Analysis(
        len(votes),
        teachers,
        votes.shape[1],
        float(repeats @ answered),
        _data_independent(answered, repeats, orders, delta=delta, looks=looks, **noise),
        _data_dependent(kinds, answered, repeats, orders, delta=delta, **noise) if data_dependent else None,
    )


def _data_independent(answered, repeats, orders, *, delta, looks, **noise) -> DataIndependent:
    mu = gnmax_mu(
        float(repeats @ answered),
        sigma=noise["sigma"],
        looks=looks,
        sigma_threshold=noise["sigma_threshold"] or math.inf,
    )
    cost, spread = _summed(*_costs_data_independent(orders, **noise), answered, repeats)
    tight, classic = (convert(orders, cost, delta=delta) for convert in (tight_epsilon, classic_epsilon))
    deviation = float(spread[orders == classic.rdp_order][0])
    return DataIndependent(gaussian_epsilon(mu, delta=delta), tight, classic, deviation)


def _data_dependent(kinds, answered, repeats, orders, *, delta, **noise) -> DataDependent:
    cost, spread = _summed(*_costs_data_dependent(kinds, orders, **noise), answered, repeats)
    before = classic_epsilon(orders, cost, delta=delta)
    order = before.rdp_order
    conditions = check_conditions(sigma=noise["sigma"], rdp_order=order, classes=kinds.shape[1])
    sensitivity = _sensitivity(kinds, answered, repeats, rdp_order=order, **noise)
    # Where nothing can change, because even unanimous votes cost as much as any, C6 is not needed.
    sound = conditions.c5 and (conditions.c6 or not sensitivity.any())
    release = best_release(sensitivity, rdp_order=order) if sound else None
    return DataDependent(before, float(spread[orders == order][0]), conditions, release)


def _checked_answered(answered: ArrayLike, looks: int) -> np.ndarray:
    flags = np.asarray(answered)
    if flags.dtype != bool or flags.shape != (looks,):
        message = _(
            "answered must say for each of {looks} looks at the threshold whether it was passed, but"
            " {type} of shape {shape} came."
        )
        raise ValueError(message.format(looks=looks, type=flags.dtype, shape=flags.shape))
    return flags


def _costs_data_independent(orders, *, sigma, threshold, sigma_threshold) -> tuple[np.ndarray, np.ndarray]:
    """RDP of a look at the threshold and of an answer, each (1, orders)."""
    answer = gnmax_rdp_data_independent(orders, sigma=sigma)[None]
    if threshold is None:
        return np.zeros_like(answer), answer
    return threshold_rdp_data_independent(orders, sigma_threshold=sigma_threshold)[None], answer


def _costs_data_dependent(
    votes, orders, *, sigma, threshold, sigma_threshold
) -> tuple[np.ndarray, np.ndarray]:
    """The same for each query, (queries, orders)."""
    answer = gnmax_rdp(votes, orders, sigma=sigma)
    if threshold is None:
        return np.zeros_like(answer), answer
    return threshold_rdp(votes, orders, threshold=threshold, sigma_threshold=sigma_threshold), answer


def _summed(look, answer, answered, repeats) -> tuple[np.ndarray, np.ndarray]:
    """The expected cost of all queries, and its standard deviation, each (orders,).

    A query costs `look`, and `answer` besides with probability `answered`; the deviation is that of a sum
    over as many queries drawn from these. (Divided by one query less, as the published script does.)
    """
    queries, often = repeats.sum(), answered[:, None]
    total = repeats @ (look + often * answer)
    squares = repeats @ (look**2 + 2 * often * look * answer + often * answer**2)
    fewer = max(queries - 1, 1)
    variance = np.maximum(squares / fewer - (total / fewer) ** 2, 0.0)
    return total, np.sqrt(queries * variance)


def _sensitivity(votes, answered, repeats, *, rdp_order, sigma, threshold, sigma_threshold) -> np.ndarray:
    """The local sensitivity of the sum over queries by distance, (teachers,).

    One teacher changes the votes of all queries at once, so the queries' sensitivities add up. (As in the
    published analysis, an answer's weight, the chance that it is given, is taken as fixed.)
    """
    total = (repeats * answered) @ gnmax_sensitivity_by_distance(votes, sigma=sigma, rdp_order=rdp_order)
    if threshold is None:
        return total
    return total + repeats @ threshold_sensitivity_by_distance(
        votes, threshold=threshold, sigma_threshold=sigma_threshold, rdp_order=rdp_order
    )
