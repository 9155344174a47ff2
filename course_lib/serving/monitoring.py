"""What Prometheus sees of the service: how fast it answers, what it is asked, and whether data drift.

Promises that a request pays for counting alone: distances, mean and variance are worked out when someone
looks at /metrics, or once a second. With several workers each counts for itself, in files that they share;
then counts are sums over the workers, and drift is that of the worker which is furthest off. No measurement
of a wine is kept beyond the window, and none appears in a metric.
"""

import os
import time
from pathlib import Path

import numpy as np
import psutil
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from course_lib.serving.champion import Champion, ServedModel
from course_lib.serving.drift import SlidingWindow
from course_lib.serving.schema import FEATURES

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client reads it, when it is imported
disable_created_metrics()  # when a counter was made says nothing here, and doubles what is scraped
STATUSES = (200, 400, 408, 413, 415, 422, 500, 503)
_BUCKETS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class Monitoring:
    """The metrics of one worker of the service; each has one label at most."""

    def __init__(self):
        self._registry = registry = CollectorRegistry()

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"wine_{name}", what, labels, registry=registry)

        def gauge(name: str, what: str, *labels: str, of_workers: str = "livemostrecent") -> Gauge:
            return Gauge(f"wine_{name}", what, labels, registry=registry, multiprocess_mode=of_workers)

        requests = counter("requests", "Requests for predictions, by the status of the answer", "status")
        # Made beforehand: a counter that appears with its first event hides that event from rate().
        self._requests = {status: requests.labels(str(status)) for status in STATUSES}
        self._seconds = Histogram(
            "wine_request_seconds",
            "Time from a request's head to its answer's end",
            buckets=_BUCKETS,
            registry=registry,
        )
        self._rows = counter("rows", "Wines whose quality was predicted")
        outliers = counter("outliers", "Values outside the training data's range", "feature")
        self._outliers = [outliers.labels(name) for name in FEATURES]
        self._drift = gauge(
            "feature_drift",
            "Kolmogorov-Smirnov distance of a full window from the training data; 0 before it is full",
            "feature",
            of_workers="livemax",
        )
        self._threshold = gauge("drift_threshold", "Distance that chance alone seldom exceeds")
        self._window_rows = gauge("window_rows", "Rows in the window", of_workers="livesum")
        self._mean = gauge("prediction_mean", "Mean of the predictions in the window")
        self._variance = gauge("prediction_variance", "Variance of the predictions in the window")
        self._version = gauge("model_version", "Version of the model that answers")
        self._registered = gauge("model_registered_timestamp_seconds", "When the model was registered")
        self._failures = counter("refresh_failures", "Failed looks at the model registry")
        self._success = gauge(
            "refresh_success_timestamp_seconds",
            "Last successful look at the registry, or the start; of the worker furthest behind",
            of_workers="livemin",
        )
        self._success.set_to_current_time()
        self._cpu = counter("cpu_seconds", "Processor time of the service")
        self._memory = gauge("memory_bytes", "Resident memory of the service", of_workers="livesum")
        self._process, self._cpu_counted = psutil.Process(), 0.0
        self._window: SlidingWindow | None = None
        self._served: ServedModel | None = None

    def count_request(self, status: int, seconds: float) -> None:
        """Count an answered request for predictions."""
        self._requests.get(status, self._requests[500]).inc()
        self._seconds.observe(seconds)

    def count_rows(self, served: ServedModel, rows: np.ndarray, predictions: np.ndarray) -> None:
        """Count what `served` predicted for `rows`, shape (rows, features)."""
        if self._served is None or served.loaded_at > self._served.loaded_at:
            self._serve(served)
        self._rows.inc(len(rows))
        reference = served.model.reference
        outside = (rows < reference.lows) | (rows > reference.highs)
        if outside.any():
            for place in np.flatnonzero(outside.any(axis=0)):
                self._outliers[place].inc(int(outside[:, place].sum()))
        if served is self._served:  # not a request that began before the exchange and ends after it
            self._window.add(rows, predictions)

    def count_refresh(self, *, failed: bool) -> None:
        """Count a look at the model registry."""
        if failed:
            self._failures.inc()
        else:
            self._success.set(time.time())

    def update(self, champion: Champion) -> None:
        """Work out what is no mere count; takes about half a millisecond."""
        if champion.current and champion.current is not self._served:
            self._serve(champion.current)
        cpu = sum(self._process.cpu_times()[:2])
        self._cpu.inc(cpu - self._cpu_counted)
        self._cpu_counted = cpu
        self._memory.set(self._process.memory_info().rss)
        if self._window is None:
            return
        self._window_rows.set(len(self._window))
        for name, distance in self._window.distances().items():
            self._drift.labels(name).set(distance)
        if len(self._window):
            self._mean.set(self._window.predictions().mean())
            self._variance.set(self._window.predictions().var())

    def exposition(self) -> bytes:
        """The metrics of all workers in Prometheus's text format."""
        folder = os.environ.get(SHARED_FOLDER)
        if not folder:
            return generate_latest(self._registry)
        _forget_dead_workers(Path(folder))
        registry = CollectorRegistry()
        MultiProcessCollector(registry, folder)
        return generate_latest(registry)

    def _serve(self, served: ServedModel) -> None:
        """Begin a new window with a new model: its reference, and what it predicts, are others."""
        self._served = served
        self._window = SlidingWindow(served.model.reference)
        for name in FEATURES:
            self._drift.labels(name).set(0)  # until the window is full
        self._threshold.set(served.model.reference.threshold)
        self._version.set(served.version)
        self._registered.set(served.registered_at)


def _forget_dead_workers(folder: Path) -> None:
    """Gauges of workers that have ended say nothing about the service any more."""
    for pid in {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_live*_*.db")}:
        if not psutil.pid_exists(pid):
            mark_process_dead(pid, str(folder))
