"""A privacy audit with one training run: how much privacy was lost, at least.

Each of m **canaries**, made-up examples, goes into the training data by a coin of its own. Whoever has the
model then guesses for some of them whether they are in, and abstains on the others. A training that is
(epsilon, delta)-private keeps guesses from being right too often: so many right guesses prove an epsilon.

Promises: `audit_lower_bound` exceeds the true epsilon of adding or removing one example with probability at
most 1 - confidence, over the coins and the training's own noise, if the number of guesses was fixed
beforehand. Leaves out: any upper bound. A bound of 0 says that these guesses proved nothing, not that nothing
leaks.

Source: Steinke, Nasr and Jagielski 2023, "Privacy Auditing with One (1) Training Run", NeurIPS 2023, arXiv
2305.08846, theorem 5.2.
"""

import numpy as np
from scipy.special import expit
from scipy.stats import binom

from course_lib.i18n import _

_LARGEST = 100.0  # e^100 to 1: no number of canaries proves more
_HALVINGS = 60


def flip_coins(canaries: int, *, seed: int) -> np.ndarray:
    """Which of the `canaries` go into the training data: a fair coin for each, bool of shape (canaries,).

    >>> flip_coins(8, seed=1)
    array([False, False,  True, False,  True,  True, False,  True])
    """
    return np.random.default_rng(seed).random(canaries) < 0.5


def guess(scores: np.ndarray, *, guesses: int) -> np.ndarray:
    """Guess "in" (1) for the highest `scores`, "out" (-1) for the lowest, and abstain (0) between them.

    `scores` has shape (canaries,), higher where a canary looks more like one that is in; `guesses`, an even
    number, is fixed before anybody looks at the scores. Returns int64 of the same shape.

    >>> guess(np.array([0.3, 2.0, -1.0, 0.1]), guesses=2)
    array([ 0,  1, -1,  0])
    """
    scores = np.asarray(scores)
    if guesses % 2 or not 0 < guesses <= len(scores):
        message = _("An even number of guesses from 2 to {canaries} was expected, but {guesses} came.")
        raise ValueError(message.format(canaries=len(scores), guesses=guesses))
    order = scores.argsort(kind="stable")
    guessed = np.zeros(len(scores), dtype=np.int64)
    guessed[order[: guesses // 2]] = -1
    guessed[order[-(guesses // 2) :]] = 1
    return guessed


def count_correct(guessed: np.ndarray, included: np.ndarray) -> int:
    """How many of the guesses (1 in, -1 out, 0 none) are right about `included` (bool).

    >>> count_correct(np.array([0, 1, -1, 1]), np.array([True, True, False, False]))
    2
    """
    return int(((guessed == 1) & included).sum() + ((guessed == -1) & ~included).sum())


def chance_of_correct(correct: int, guesses: int, epsilon: float, *, delta: float, canaries: int) -> float:
    """At most how likely `correct` or more right guesses are if the training is (epsilon, delta)-private.

    For delta = 0 no guess beats a coin that is right with probability e^epsilon / (1 + e^epsilon), as that of
    randomised response is. A delta above 0 lets some canaries be told outright, which theorem 5.2 counts in.

    >>> round(chance_of_correct(9, 10, 0.0, delta=0, canaries=10), 4)  # 9 or 10 heads: 11 of 1024
    0.0107
    """
    right = expit(epsilon)
    this_many = binom.sf(correct - 1, guesses, right)
    if correct == 0 or delta == 0:
        return float(this_many)
    fewer = np.arange(1, correct + 1)
    jump = ((binom.sf(correct - 1 - fewer, guesses, right) - this_many) / fewer).max()
    return float(min(1.0, this_many + 2 * canaries * delta * jump))


def audit_lower_bound(correct: int, guesses: int, *, delta: float, confidence: float, canaries: int) -> float:
    """The largest epsilon that `correct` right ones of `guesses` rule out with this `confidence`, or 0.

    Of `canaries` that tossed a coin, the others were abstained on. Raises ValueError unless
    0 <= correct <= guesses <= canaries, 0 <= delta < 1 and 0 < confidence < 1.

    >>> audit_lower_bound(50, 100, delta=0, confidence=0.95, canaries=100)
    0.0
    >>> round(audit_lower_bound(100, 100, delta=0, confidence=0.95, canaries=100), 2)
    3.49
    >>> round(audit_lower_bound(100, 100, delta=1e-5, confidence=0.95, canaries=1000), 2)
    3.47
    """
    if not 0 <= correct <= guesses <= canaries:
        message = _(
            "correct <= guesses <= canaries was expected, but {correct}, {guesses} and {canaries} came."
        )
        raise ValueError(message.format(correct=correct, guesses=guesses, canaries=canaries))
    if not (0 <= delta < 1 and 0 < confidence < 1):
        message = _(
            "delta from 0 to below 1 and a confidence between 0 and 1 were expected, but {delta} and"
            " {confidence} came."
        )
        raise ValueError(message.format(delta=delta, confidence=confidence))

    def ruled_out(epsilon: float) -> bool:
        chance = chance_of_correct(correct, guesses, epsilon, delta=delta, canaries=canaries)
        return chance <= 1 - confidence

    if not ruled_out(0.0):
        return 0.0
    low, high = 0.0, _LARGEST
    for _halving in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if ruled_out(middle) else (low, middle)
    return low
