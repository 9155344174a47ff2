"""Traffic that can be sent again: wines from the test set as they are, or shifted by a fault that you name.

Promises that the same seed sends the same wines in the same order, and that normal traffic is the test set
itself: rows that the model has not seen, each once before any comes twice. Leaves out load: requests are
sent one after the other.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from course_lib.serving.deployment import WineService
from course_lib.serving.schema import FEATURES


class Glance(NamedTuple):
    """What the metrics said after `rows` rows: each feature's `drift`, and the `threshold` for it."""

    rows: int
    drift: Mapping[str, float]
    threshold: float

    @property
    def alarms(self) -> list[str]:
        """The features whose drift exceeds the threshold, as the alert rule has it."""
        return [name for name, distance in self.drift.items() if distance > self.threshold]


def normal_traffic(wines: pd.DataFrame, *, seed: int) -> Iterator[pd.DataFrame]:
    """Rows of `wines` without end, each a DataFrame of one row: all of them shuffled, and again.

    >>> wines = pd.DataFrame({"pH": [3.1, 3.2]})
    >>> traffic = normal_traffic(wines, seed=0)
    >>> sorted(next(traffic)["pH"].item() for _row in range(2))
    [3.1, 3.2]
    """
    random = np.random.default_rng(seed)
    while True:
        for place in random.permutation(len(wines)):
            yield wines.iloc[[place]]


def shifted_traffic(wines: pd.DataFrame, shift: Mapping[str, float], *, seed: int) -> Iterator[pd.DataFrame]:
    """The same with a number added to each feature that `shift` names: a sensor that reads too high, say.

    >>> wines = pd.DataFrame({"pH": [3.1], "alcohol": [9.4]})
    >>> next(shifted_traffic(wines, {"alcohol": 1}, seed=0)).to_dict("records")
    [{'pH': 3.1, 'alcohol': 10.4}]
    """
    return normal_traffic(wines.assign(**{name: wines[name] + by for name, by in shift.items()}), seed=seed)


def replay(
    service: WineService, traffic: Iterator[pd.DataFrame], *, requests: int, rows: int = 1, every: int = 20
) -> Iterator[Glance]:
    """Send `requests` requests of `rows` rows each; yield a glance at the metrics after each `every` of them.

    `Glance.rows` counts what the service has predicted since its start.
    """
    for sent in range(1, requests + 1):
        service.predict(pd.concat([next(traffic) for _row in range(rows)])[list(FEATURES)])
        if sent % every == 0 or sent == requests:
            metrics = service.metrics()
            yield Glance(
                int(metrics["wine_rows_total"]),
                metrics["wine_feature_drift"],
                metrics["wine_drift_threshold"],
            )
