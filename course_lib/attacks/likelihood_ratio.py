"""The likelihood-ratio attack (LiRA): is this answer likelier from a model that has seen the image, or not?

For each candidate the shadow models fall into two groups: those that learnt from it (*in*) and those that did
not (*out*). Each group's scaled confidences make a bell curve. *Online*, the attacker has both groups and
compares the two curves where the target's answer lies. *Offline*, the shadow models were trained before the
candidate was known; there is only the *out* curve, and the question is how far the answer lies above it.

Promises: scores, the higher the surer of membership. The curves' widths are shared by all candidates, one for
*in* and one for *out*, as the paper advises for fewer than 64 shadow models.
Leaves out: several questions about one candidate (shifted or mirrored images), which the paper adds.

Source: Carlini et al. 2022, "Membership Inference Attacks From First Principles", Algorithm 1 and section VI.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from course_lib.i18n import _

#: A curve of no width would make any distance infinite.
_NARROWEST = 1e-6


def ratio_by_hand(answer: float, inside: np.ndarray, outside: np.ndarray) -> float:
    """The logarithm of the likelihood ratio of one candidate, each curve with its own width.

    >>> round(ratio_by_hand(2.0, np.array([1.0, 3.0]), np.array([-1.0, 1.0])), 1)
    2.0
    """
    likelihood_in = norm.logpdf(answer, inside.mean(), inside.std())
    likelihood_out = norm.logpdf(answer, outside.mean(), outside.std())
    return float(likelihood_in - likelihood_out)


@dataclass(frozen=True)
class Curves:
    """The bell curves of all candidates: means (n,), and the one width for each group."""

    mean_in: np.ndarray
    mean_out: np.ndarray
    width_in: float
    width_out: float

    @classmethod
    def of(cls, confidences: np.ndarray, members: np.ndarray) -> "Curves":
        """From shadow models' scaled `confidences` (models, n) and their `members`, bool (models, n).

        Raises ValueError where a candidate is in all shadow models or in none.
        """
        if confidences.shape != members.shape:
            message = _(
                "Expected confidences and members of one shape (models, n), got {first} and {second}."
            )
            raise ValueError(message.format(first=confidences.shape, second=members.shape))
        count = members.sum(axis=0)
        if count.min() == 0 or count.max() == len(members):
            message = _("Each candidate must be in some of the {models} shadow models and not in others.")
            raise ValueError(message.format(models=len(members)))
        mean_in = (confidences * members).sum(axis=0) / count
        mean_out = (confidences * ~members).sum(axis=0) / (len(members) - count)
        rest = np.where(members, confidences - mean_in, confidences - mean_out)
        widths = (max(float(rest[group].std()), _NARROWEST) for group in (members, ~members))
        return cls(mean_in, mean_out, *widths)


def online(answers: np.ndarray, confidences: np.ndarray, members: np.ndarray) -> np.ndarray:
    """The log-likelihood ratio of each candidate, for a target's scaled `answers` (n,)."""
    curves = Curves.of(confidences, members)
    likelihood_in = norm.logpdf(answers, curves.mean_in, curves.width_in)
    return likelihood_in - norm.logpdf(answers, curves.mean_out, curves.width_out)


def offline(answers: np.ndarray, confidences: np.ndarray, members: np.ndarray) -> np.ndarray:
    """How many widths each answer lies above the *out* curve, whose models never saw the candidate.

    The paper's score is the probability of a lower answer; this one, in the same order, is its quantile.
    """
    curves = Curves.of(confidences, members)
    return (answers - curves.mean_out) / curves.width_out


Attack = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def each_in_turn(attack: Attack, confidences: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Each model in turn is the target of `attack`, and all the others are its shadow models: (models, n)."""
    turns = (np.arange(len(members)) != target for target in range(len(members)))
    return np.array([attack(confidences[~rest][0], confidences[rest], members[rest]) for rest in turns])
