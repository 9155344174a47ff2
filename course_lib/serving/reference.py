"""What the training data looked like, kept beside the model: the yardstick for drift and outliers.

Of each feature it keeps the distinct values and how often each came: that is the whole distribution, in a
few kilobytes, and no row can be read from it. Drift is the Kolmogorov-Smirnov distance: draw, for the
training data and for the newest `window` rows, which share of values lies at or below x; the distance is
the widest gap between the two curves. It needs no unit, lies between 0 and 1, one absurd value moves it by
1/window at most, and it is exact.

How much of a gap is chance? `from_frame` finds out by resampling: many times it draws a pretended training
set and a pretended window from the training rows, and notes the widest gap of any feature; the threshold is
what a share of `false_alarm_rate` of these exceeds. So about that share of full windows of normal rows
raises an alarm on whatever feature. Leaves out: that windows which overlap are looked at again and again,
so a week brings more false alarms than that; and shifts that change how features go together, but none of
them alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from course_lib.i18n import _

ROUNDS = 2_000
_MOST_JSON_BYTES = 4 << 20


@dataclass(frozen=True)
class FeatureReference:
    """One feature of the training data: its distinct `values`, ascending, and their `counts`."""

    values: np.ndarray
    counts: np.ndarray

    @property
    def low(self) -> float:
        """The smallest value in training; below it a value is an outlier."""
        return float(self.values[0])

    @property
    def high(self) -> float:
        """The largest value in training; above it a value is an outlier."""
        return float(self.values[-1])

    def distance(self, sample: np.ndarray) -> float:
        """The Kolmogorov-Smirnov distance between the training data and `sample`, shape (rows,)."""
        places = np.concatenate([self.values, sample])
        shares = np.append(0, np.cumsum(self.counts)) / self.counts.sum()
        training = shares[np.searchsorted(self.values, places, side="right")]
        newest = np.searchsorted(np.sort(sample), places, side="right") / len(sample)
        return float(np.abs(training - newest).max())


@dataclass(frozen=True)
class Reference:
    """The training data's features by name, in the columns' order, and how windows are compared with them.

    `window` is its size in rows; a distance above `threshold` is drift.
    """

    features: Mapping[str, FeatureReference]
    window: int
    false_alarm_rate: float
    threshold: float

    @cached_property
    def lows(self) -> np.ndarray:
        """Each feature's smallest value in training, shape (features,)."""
        return np.array([feature.low for feature in self.features.values()])

    @cached_property
    def highs(self) -> np.ndarray:
        """Each feature's largest value in training, shape (features,)."""
        return np.array([feature.high for feature in self.features.values()])

    @classmethod
    def from_frame(
        cls, rows: pd.DataFrame, *, window: int = 200, false_alarm_rate: float = 0.01, seed: int = 0
    ) -> "Reference":
        """The reference of training `rows`, a column per feature; takes about a second.

        Raises ValueError where there is no row, or a value that is no finite number.

        >>> training = pd.DataFrame({"pH": [3.1, 3.2, 3.2, 3.3] * 50})
        >>> reference = Reference.from_frame(training, window=100)
        >>> reference.features["pH"].low, reference.features["pH"].high
        (3.1, 3.3)
        >>> reference.features["pH"].distance(np.array([3.3] * 100))
        0.75
        """
        table = rows.to_numpy(dtype=float)
        if not table.size or not np.isfinite(table).all():
            raise ValueError(_("Training rows of finite numbers were expected, at least one."))
        features = {
            str(name): FeatureReference(*np.unique(column, return_counts=True))
            for name, column in zip(rows.columns, table.T, strict=True)
        }
        gaps = _chance_gaps(table, window, np.random.default_rng(seed))
        threshold = float(np.quantile(gaps, 1 - false_alarm_rate, method="higher"))
        return cls(features, window, false_alarm_rate, threshold)

    def to_json(self) -> str:
        """The reference as JSON, to be logged beside the model as `reference.json`."""
        features = {
            name: {"values": feature.values.tolist(), "counts": feature.counts.tolist()}
            for name, feature in self.features.items()
        }
        settings = {
            "window": self.window,
            "false_alarm_rate": self.false_alarm_rate,
            "threshold": self.threshold,
        }
        return json.dumps({**settings, "features": features})

    @classmethod
    def from_json(cls, text: str) -> "Reference":
        """The reference that `to_json` wrote; ValueError for anything else.

        >>> Reference.from_json('{"window": 200}')
        Traceback (most recent call last):
        ...
        ValueError: A reference of training data, as Reference.to_json writes it, was expected.
        """
        try:
            given = json.loads(text) if len(text) <= _MOST_JSON_BYTES else {}
            features = {name: _checked_feature(**entry) for name, entry in given["features"].items()}
            window, rate = int(given["window"]), float(given["false_alarm_rate"])
            threshold = float(given["threshold"])
            if not (features and 1 <= window <= 100_000 and 0 <= threshold <= 1):
                raise ValueError
            return cls(features, window, rate, threshold)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            sentence = _("A reference of training data, as Reference.to_json writes it, was expected.")
            raise ValueError(sentence) from None

    def distances(self, rows: np.ndarray) -> dict[str, float]:
        """Each feature's distance between the training data and `rows`, shape (rows, features)."""
        return {
            name: feature.distance(column)
            for (name, feature), column in zip(self.features.items(), rows.T, strict=True)
        }


def _chance_gaps(table: np.ndarray, window: int, random: np.random.Generator) -> np.ndarray:
    """The widest gap of any feature, shape (ROUNDS,), where nothing but chance is at work."""
    ranks = [np.unique(column, return_inverse=True)[1] for column in table.T]
    gaps = np.empty(ROUNDS)
    for each in range(ROUNDS):
        training, newest = (random.integers(len(table), size=size) for size in (len(table), window))
        gaps[each] = max(np.abs(_curve(rank, training) - _curve(rank, newest)).max() for rank in ranks)
    return gaps


def _curve(rank: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Which share of the drawn rows has a value at or below each of the distinct values."""
    return np.cumsum(np.bincount(rank[drawn], minlength=rank.max() + 1)) / len(drawn)


def _checked_feature(values: list, counts: list) -> FeatureReference:
    feature = FeatureReference(np.array(values, float), np.array(counts, int))
    sound = (
        feature.values.ndim == 1
        and feature.values.shape == feature.counts.shape
        and feature.values.size > 0
        and np.isfinite(feature.values).all()
        and (np.diff(feature.values) > 0).all()
        and (feature.counts > 0).all()
    )
    if not sound:
        raise ValueError
    return feature
