"""The tracking server: MLflow's own, in a process of its own, which keeps runs, models and their aliases.

Promises: the server answers when `start_tracking_server` returns, and `stop` leaves no process, port or
temporary file behind. Runs lie in SQLite in a temporary folder unless you name another database; models
and other artefacts lie beside it unless you name an object store. Addresses with a password stand in the
server's environment, not on its command line, which every user of a machine can read.
Leaves out logins and TLS: whoever reaches the server may read, change and delete everything in it. It
therefore listens on this machine alone.
"""

import contextlib
import os
import tempfile
from pathlib import Path

from course_lib.i18n import _
from course_lib.processes import HOST, ServerProcess, start_server

SECONDS_TO_START = 180  # a new database goes through some seventy migrations
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # MLflow reports how it is used unless it is told not to
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # jobs judge language models, in eight more processes
}


class TrackingServer:
    """A running tracking server; `start_tracking_server` makes it. A context manager stops it at the end."""

    def __init__(self, process: ServerProcess, resources: contextlib.ExitStack):
        self.process = process
        self._resources = resources

    @property
    def uri(self) -> str:
        """The address for ``mlflow.set_tracking_uri``."""
        return self.process.url

    @property
    def command(self) -> str:
        """What to type in a terminal for the same server, without a password that its addresses may have."""
        return self.process.command.replace("course_lib.serving.mlflow_command", "mlflow", 1)

    def page(self, experiment_id: str) -> str:
        """The address of an experiment's page in MLflow, for the reader's browser."""
        return f"{self.process.browser_url}/#/experiments/{experiment_id}"

    def stop(self) -> None:
        """Stop the server and remove its temporary files; harmless when that has been done."""
        self._resources.close()

    def __enter__(self) -> "TrackingServer":
        return self

    def __exit__(self, *_error) -> None:
        self.stop()

    def __repr__(self) -> str:
        return repr(self.process)


def start_tracking_server(
    *, backend_store_uri: str | None = None, artifacts: str | None = None, port: int | None = None
) -> TrackingServer:
    """Start MLflow's tracking server and return when it answers.

    `backend_store_uri` is a database as SQLAlchemy names it, such as ``postgresql+psycopg2://user:password@host/name``;
    `artifacts` a folder or an object store, such as ``s3://…`` or ``wasbs://…``; both lie in a temporary
    folder unless given. `port` is a free one unless given. Raises RuntimeError, with the end of the
    server's log, where it does not start.

    >>> with start_tracking_server() as tracking:
    ...     tracking.process.running
    True

    Source: MLflow 3.17, ``mlflow server --help``.
    """
    with contextlib.ExitStack() as resources:
        words, environment = ["--host", HOST, "--workers", "1", *_words_behind_a_hub()], dict(SETTINGS)
        if backend_store_uri is None or artifacts is None:
            folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="course-tracking-")))
        if backend_store_uri is None:
            words += ["--backend-store-uri", f"sqlite:///{(folder / 'mlflow.db').as_posix()}"]
        else:
            environment["MLFLOW_BACKEND_STORE_URI"] = backend_store_uri
        if artifacts is None:
            words += ["--artifacts-destination", str(folder / "artifacts")]
        else:
            environment["MLFLOW_ARTIFACTS_DESTINATION"] = artifacts
        process = start_server(
            ["-m", "course_lib.serving.mlflow_command", "server", *words],
            name=_("MLflow's tracking server"),
            ready_path="/health",
            port=port,
            timeout=SECONDS_TO_START,
            env=environment,
        )
        resources.enter_context(process)
        return TrackingServer(process, resources.pop_all())


def _words_behind_a_hub() -> list[str]:
    """On JupyterHub the browser names the hub, not this machine; the hub's login then guards the pages."""
    if "JUPYTERHUB_SERVICE_PREFIX" not in os.environ:
        return []
    return ["--allowed-hosts", "*", "--cors-allowed-origins", "*"]
