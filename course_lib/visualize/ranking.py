"""AUC, the area under the ROC curve, with a confidence interval; for more than two classes, one against one.

Promises: `auc` equals scikit-learn's ``roc_auc_score`` (``multi_class="ovo", average="macro"``), in a
second for 200,000 rows and seven classes. The interval needs no random numbers: AUC is a mean of shares of
well-ranked pairs, and how these vary from row to row tells how much it would vary with other test rows
(DeLong). It says nothing about how the model would vary with other training rows. Coverage is tested on
simulated scores.

Sources: Hanley and McNeil, Radiology 143 (1982); DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988);
Hand and Till, Machine Learning 45 (2001), for the mean over pairs of classes; Wilson, JASA 22 (1927).
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, rankdata

from course_lib.i18n import _

_LOOSENED = 0.25


class EvaluationError(ValueError):
    """There is nothing to be measured: a class without test rows, one class alone, wrong shapes."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval from `low` to `high`, for example with 0.95 `confidence`."""

    value: float
    low: float
    high: float
    confidence: float


def auc(y: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the AUC; `y` holds classes from 0, int, (rows,), `probabilities` a column for each class.

    Two classes: how often a row of class 1 has a higher probability of class 1 than a row of class 0; ties
    count half. More classes: the same for each ordered pair of classes, and the mean of these.

    Raises EvaluationError when a class has no row, there is one class alone, or a probability is not finite.

    >>> auc(np.array([0, 0, 1, 1]), np.array([[0.9, 0.1], [0.6, 0.4], [0.65, 0.35], [0.2, 0.8]]))
    0.75
    """
    return _components(y, probabilities)[0]


def auc_interval(y: np.ndarray, probabilities: np.ndarray, *, confidence: float = 0.95) -> Interval:
    """Return `auc` with its confidence interval, for other test rows of the same classes in the same numbers.

    DeLong's variance says how many independent rows the AUC is worth, were it a plain share of them; Wilson's
    interval for a share of so many rows stays inside 0 to 1. Where all pairs are ranked well, the variance is
    0 and would promise too much: there the AUC is worth what Hanley and McNeil's variance gives near 1. (How
    fast this bound is loosened is ours; the coverage in the tests speaks for it.)

    Raises EvaluationError as `auc` does.

    >>> y = np.repeat([0, 1], 20)
    >>> perfect = np.column_stack([1 - y, y])
    >>> interval = auc_interval(y, perfect)
    >>> interval.value, round(interval.low, 2), interval.high
    (1.0, 0.91, 1.0)
    """
    value, parts = _components(y, probabilities)
    classes = len(parts)
    sizes = np.array([len(part) for part in parts])
    variance = sum(_variance(part, most=2 / classes) / len(part) for part in parts)
    # Loosened with every row that is ranked badly: by several of them, the variance speaks for itself.
    most = classes**2 / (1 / sizes).sum() * (1 + _LOOSENED * len(y) * (1 - value))
    worth = most
    if variance > 0:
        worth = min(value * (1 - value) / variance, most)
    low, high = _wilson(value, max(worth, 1.0), confidence)
    return Interval(value, low, high, confidence)


def class_auc(y: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the AUC of each class against the rest, float64, (classes,); errors as in `auc`.

    >>> class_auc(np.array([0, 1, 2]), np.eye(3)).tolist()
    [1.0, 1.0, 1.0]
    """
    sizes = _checked(y, probabilities)
    above = [
        rankdata(column)[y == place].sum() - size * (size + 1) / 2
        for place, (column, size) in enumerate(zip(probabilities.T, sizes, strict=True))
    ]
    return np.array(above) / (sizes * (len(y) - sizes))


def _components(y: np.ndarray, probabilities: np.ndarray) -> tuple[float, list[np.ndarray]]:
    """The AUC, and what each row brings to it: an array for each class, their means' sum is twice the AUC.

    A row brings the share of the other classes' rows that it is ranked well against.
    """
    sizes = _checked(y, probabilities)
    classes = len(sizes)
    rows = [np.flatnonzero(y == place) for place in range(classes)]
    parts = [np.zeros(size) for size in sizes]
    scored = [1] if classes == 2 else range(classes)
    weight = 1 / (len(scored) * (classes - 1))
    value = 0.0
    for positive in scored:
        scores = [probabilities[members, positive] for members in rows]
        ordered = [np.sort(part) for part in scores]
        for negative in range(classes):
            if negative == positive:
                continue
            won = _share_below(ordered[negative], scores[positive])
            parts[positive] += weight * won
            parts[negative] += weight * (1 - _share_below(ordered[positive], scores[negative]))
            value += weight * won.mean()
    return min(float(value), 1.0), parts


def _share_below(ordered: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """For each of `scores`, the share of `ordered` below it; equal ones count half."""
    below = np.searchsorted(ordered, scores, side="left")
    not_above = np.searchsorted(ordered, scores, side="right")
    return (below + not_above) / (2 * len(ordered))


def _variance(part: np.ndarray, *, most: float) -> float:
    """The variance of what a class's rows bring, between 0 and `most`; of a single row, the greatest."""
    if len(part) == 1:
        return float(part[0] * (most - part[0]))
    return float(part.var(ddof=1))


def _wilson(share: float, rows: float, confidence: float) -> tuple[float, float]:
    z = norm.ppf((1 + confidence) / 2)
    middle = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z / (1 + z**2 / rows) * np.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    return max(float(middle - half), 0.0), min(float(middle + half), 1.0)


def _checked(y: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The number of rows of each class."""
    if probabilities.ndim != 2 or len(probabilities) != len(y) or not np.isfinite(probabilities).all():
        message = _("A finite probability for each of {rows} rows and each class was expected, not {shape}.")
        raise EvaluationError(message.format(rows=len(y), shape=probabilities.shape))
    classes = probabilities.shape[1]
    if classes < 2:
        raise EvaluationError(_("An AUC needs two classes or more; there is one."))
    sizes = np.bincount(y, minlength=classes)
    if len(sizes) > classes or sizes.min() == 0:
        message = _(
            "An AUC needs test rows of each of the {classes} classes; class number {number} has {rows}."
        )
        number = classes if len(sizes) > classes else int(sizes.argmin())
        raise EvaluationError(message.format(classes=classes, number=number + 1, rows=sizes[number]))
    return sizes
