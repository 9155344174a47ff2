"""How good is an attack? True positives where false alarms are rare, with the uncertainty that counting has.

A *positive* is an image that the attack calls a member of the training data. The true-positive rate (TPR) is
the share of members that it finds, the false-positive rate (FPR) that of non-members that it accuses.
An average over all thresholds (the area under the curve, AUC) says little about privacy: an attack that is
certain about one person in a hundred harms that person, and hardly moves the average.

Promises: rates are shares of what was counted, never interpolated between thresholds; a rate that the given
number of non-members cannot show is refused.
Leaves out: a band for the whole curve at once; those here hold for each false-positive rate by itself.

Source: Carlini et al. 2022, "Membership Inference Attacks From First Principles"; Clopper and Pearson 1934.
"""

import numpy as np
from scipy import stats
from sklearn.metrics import roc_auc_score

from course_lib.i18n import _


def tpr_at_fpr(scores: np.ndarray, members: np.ndarray, *, fpr: float) -> float:
    """The share of members that is called so where a share of at most `fpr` of the non-members may be.

    Arguments and errors as in `called_members`.

    >>> scores, members = np.array([9, 8, 7, 6, 5, 4]), np.array([True, True, False, True, False, False])
    >>> round(tpr_at_fpr(scores, members, fpr=1 / 3), 2)
    0.67
    """
    return float(called_members(scores, members, fpr=fpr)[members].mean())


def called_members(scores: np.ndarray, members: np.ndarray, *, fpr: float) -> np.ndarray:
    """Whom the attack calls a member, bool (n,): who scores higher than the last non-member it may accuse.

    `scores`: (n,), the higher the surer of membership; `members`: bool (n,). The threshold stands at that
    non-member, who is not accused, not just above the next one: only so does an attack that knows nothing
    find no more than `fpr` of the members on average. Raises ValueError where `fpr` of them is less
    than one: so small a rate was not measured.

    >>> called_members(np.array([5, 4, 3]), np.array([True, False, False]), fpr=0.5).tolist()
    [True, False, False]
    """
    outsiders = np.sort(scores[~members])[::-1]
    allowed = int(fpr * len(outsiders) + 1e-9)
    if not 1 <= allowed <= len(outsiders):
        message = _("A false-positive rate of {fpr} cannot be measured with {outsiders} non-members.")
        raise ValueError(message.format(fpr=fpr, outsiders=len(outsiders)))
    return scores > outsiders[allowed - 1]


def tprs(scores: np.ndarray, members: np.ndarray, *, fprs: np.ndarray) -> np.ndarray:
    """`tpr_at_fpr` for several targets at several rates: twice (targets, n) to (targets, rates)."""
    rows = zip(scores, members, strict=True)
    return np.array([[tpr_at_fpr(row, of_row, fpr=fpr) for fpr in fprs] for row, of_row in rows])


def area_under_curve(scores: np.ndarray, members: np.ndarray) -> float:
    """The chance that a member scores higher than a non-member: 0.5 for a coin, 1 for a perfect attack.

    >>> area_under_curve(np.array([3.0, 1.0, 2.0, 0.0]), np.array([True, False, True, False]))
    1.0
    """
    return float(roc_auc_score(members, scores))


def clopper_pearson(found: int, among: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval for a share of which `found` of `among` were counted.

    >>> [round(end, 4) for end in clopper_pearson(1, 1000)]
    [0.0, 0.0056]
    """
    interval = stats.binomtest(found, among).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)


def mean_band(
    per_target: np.ndarray, *, confidence: float = 0.95, seed: int = 0, draws: int = 2000
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean over targets of `per_target` (targets, rates), and the ends of its bootstrap interval.

    Whole targets are drawn with replacement, since one target's members are found or missed together. The
    candidates stay the same: how the mean would differ with other images, the band doesn't say.

    >>> [end.round(2).tolist() for end in mean_band(np.array([[0.0, 0.5], [0.0, 0.7]]))]
    [[0.0, 0.6], [0.0, 0.5], [0.0, 0.7]]
    """
    targets = len(per_target)
    drawn = np.random.default_rng(seed).multinomial(targets, np.full(targets, 1 / targets), size=draws)
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(drawn @ per_target / targets, [tail, 100 - tail], axis=0)
    return per_target.mean(axis=0), low, high
