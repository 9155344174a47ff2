"""From Python: start the service with the registry's champion, ask it, read its metrics, stop it.

Promises that the service has a model when `serve` returns, and that `stop` leaves no process, port or file
behind. Leaves out other machines: there, start `course_lib.serving.service` by its own command.
"""

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import httpx
import numpy as np
import pandas as pd
from prometheus_client.parser import text_string_to_metric_families

from course_lib.i18n import _, language
from course_lib.processes import ServerProcess, start_server

SECONDS_TO_ANSWER = 60
SECONDS_TO_LOG = 10  # the service writes a line within about one


class Prediction(NamedTuple):
    """What the service answered: `values` of shape (rows,), and the `version` of the model."""

    values: np.ndarray
    version: int


class WineService:
    """A running service; `serve` makes it. As a context manager it stops at the block's end."""

    def __init__(self, process: ServerProcess):
        self.process = process
        # A proxy that the environment names has no business between us and our own machine.
        self._http = httpx.Client(base_url=process.url, timeout=SECONDS_TO_ANSWER, trust_env=False)

    def predict(self, wines: pd.DataFrame | Sequence[Mapping[str, float]]) -> Prediction:
        """The predicted quality of `wines`, a row each, with the eleven measurements under UCI's names.

        Raises ValueError with the service's own sentence where it refuses them.
        """
        rows = wines.to_dict("records") if isinstance(wines, pd.DataFrame) else list(wines)
        answer = self._answer("POST", "/predict", {"wines": rows}).json()
        return Prediction(np.array(answer["predictions"]), answer["version"])

    def reload(self) -> int:
        """Let the service look for a new champion now; return the version that answers from here on."""
        return self._answer("POST", "/reload").json()["version"]

    def ready(self) -> bool:
        """Whether the service has a model; RuntimeError with its sentence where it has none."""
        return self._answer("GET", "/ready").is_success

    def metrics(self) -> dict[str, float | dict[str, float]]:
        """What Prometheus would read now: a number for each metric, or for each value of its label.

        >>> sorted(read_metrics('wine_rows_total 3.0\\nwine_feature_drift{feature="pH"} 0.1').items())
        [('wine_feature_drift', {'pH': 0.1}), ('wine_rows_total', 3.0)]
        """
        return read_metrics(self._answer("GET", "/metrics").text)

    def log_line(self, event: str) -> str:
        """The newest line of the service's log about `event`, such as "request"; the first is waited for.

        Raises RuntimeError where there is none after ten seconds.
        """
        deadline = time.monotonic() + SECONDS_TO_LOG
        while time.monotonic() < deadline:
            for line in reversed(self.process.log().splitlines(keepends=True)):
                if f'"event": "{event}"' in line and line.endswith("\n"):
                    return line.rstrip("\n")
            time.sleep(0.05)
        sentence = _('The service wrote no line about "{event}" within {seconds} seconds.')
        raise RuntimeError(sentence.format(event=event, seconds=SECONDS_TO_LOG))

    def stop(self) -> None:
        """Stop the service: what has been asked is answered; harmless when that has been done."""
        self._http.close()
        self.process.stop()

    def _answer(self, method: str, path: str, content: dict | None = None) -> httpx.Response:
        try:
            answer = self._http.request(method, path, json=content, headers={"Accept-Language": language()})
        except (httpx.TransportError, RuntimeError) as error:  # the latter once our client is closed
            raise RuntimeError(
                _("The service {address} does not answer: it was stopped, or has died.").format(
                    address=self.process.url
                )
            ) from error
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise RuntimeError(answer.json()["error"])
        if answer.is_error:
            raise ValueError(answer.json()["error"])
        return answer

    def __enter__(self) -> "WineService":
        return self

    def __exit__(self, *_error) -> None:
        self.stop()

    def __repr__(self) -> str:
        return repr(self.process)


def serve(
    *,
    tracking_uri: str,
    model: str = "wine",
    alias: str = "champion",
    workers: int = 1,
    refresh_seconds: float = 10,
    port: int | None = None,
) -> WineService:
    """Start the service with the model that `alias` names at `tracking_uri`, and return when it answers.

    It asks the registry for a new champion every `refresh_seconds`. Raises RuntimeError with one sentence
    where there is no such model, or the service does not start.
    """
    words = ["--model", model, "--alias", alias, "--refresh-seconds", f"{refresh_seconds:g}"]
    if workers > 1:
        words += ["--workers", str(workers)]
    process = start_server(
        ["-m", "course_lib.serving.service", *words],
        name=_("wine quality"),
        ready_path="/health",
        port=port,
        timeout=120,
        # Every user of this machine can read a command line, and the address may hold a password.
        env={"MLFLOW_TRACKING_URI": tracking_uri},
    )
    with contextlib.ExitStack() as resources:
        service = resources.enter_context(WineService(process))
        service.ready()
        resources.pop_all()
        return service


def read_metrics(exposition: str) -> dict[str, float | dict[str, float]]:
    """The samples of Prometheus's text format by their names; see `WineService.metrics`."""
    metrics: dict[str, float | dict[str, float]] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.labels:
                (label,) = sample.labels.values()
                metrics.setdefault(sample.name, {})[label] = sample.value
            else:
                metrics[sample.name] = sample.value
    return metrics
