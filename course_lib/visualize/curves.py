"""Points to draw for one class against the rest: the ROC curve and the calibration curve.

Promises: few enough points for a browser, and the area under the drawn ROC curve is within 0.001 of the whole
one's. Leaves out drawing.
"""

import numpy as np
import pandas as pd
from sklearn.metrics import auc as area
from sklearn.metrics import roc_curve

_AREA_KEPT = 1e-3


def roc_points(is_class: np.ndarray, scores: np.ndarray, *, most: int = 400) -> pd.DataFrame:
    """Return the ROC curve's points, columns ``false_positive_rate`` and ``true_positive_rate``, from 0 to 1.

    `is_class` is bool, (rows,), with rows of both kinds; `scores` float, (rows,). Of a curve with more than
    `most` points those are kept that lie at equal lengths along it, and more only where the area needs them.

    >>> roc_points(np.array([False, True, True]), np.array([0.1, 0.3, 0.9])).to_numpy().tolist()
    [[0.0, 0.0], [0.0, 0.5], [0.0, 1.0], [1.0, 1.0]]
    """
    false_positives, true_positives, _thresholds = roc_curve(is_class, scores)
    kept = np.arange(len(false_positives))
    whole = area(false_positives, true_positives)
    places = most // 2
    while 2 * places < len(false_positives):
        kept = _along(false_positives + true_positives, places)
        if abs(area(false_positives[kept], true_positives[kept]) - whole) <= _AREA_KEPT:
            break
        kept = np.arange(len(false_positives))
        places *= 2
    return pd.DataFrame(
        {"false_positive_rate": false_positives[kept], "true_positive_rate": true_positives[kept]}
    )


def calibration_points(is_class: np.ndarray, probabilities: np.ndarray, *, bins: int = 10) -> pd.DataFrame:
    """Return, for each of `bins` equally wide ranges of probability that has rows, what came true in it.

    Columns: ``predicted``, the mean probability; ``observed``, the share of rows that are of the class;
    ``rows``, their number.

    >>> points = calibration_points(np.array([False, True, True]), np.array([0.1, 0.9, 1.0]))
    >>> points.round(2).to_numpy().tolist()
    [[0.1, 0.0, 1.0], [0.95, 1.0, 2.0]]
    """
    places = np.minimum((probabilities * bins).astype(int), bins - 1)
    rows = np.bincount(places, minlength=bins)
    filled = rows > 0
    predicted = np.bincount(places, weights=probabilities, minlength=bins)[filled] / rows[filled]
    observed = np.bincount(places, weights=is_class, minlength=bins)[filled] / rows[filled]
    return pd.DataFrame({"predicted": predicted, "observed": observed, "rows": rows[filled]})


def _along(lengths: np.ndarray, count: int) -> np.ndarray:
    """The points around each of `count` places along a curve: the last before, the first at or after."""
    after = np.searchsorted(lengths, np.linspace(0, lengths[-1], count))
    after = np.minimum(after, len(lengths) - 1)
    return np.unique(np.concatenate([after, np.maximum(after - 1, 0), [len(lengths) - 1]]))
