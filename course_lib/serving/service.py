"""The web service: predictions of the registry's champion over HTTP, in a process of its own.

    python -m course_lib.serving.service --tracking-uri http://127.0.0.1:5000 --port 8000

The tracking URI is that of an MLflow server or its database; where it holds a password, set
MLFLOW_TRACKING_URI in its place. What the service answers stands in `api` and, while it runs, at /docs.
Leaves out TLS and logins, which a reverse proxy adds.
"""

import argparse
import os
import socket
from dataclasses import dataclass

import uvicorn

from course_lib.i18n import _
from course_lib.processes import exit_with_parent, require_free
from course_lib.serving.graceful import SECONDS_TO_FINISH, GracefulServer
from course_lib.serving.logs import LOGGER, log_json


@dataclass(frozen=True)
class Settings:
    """What a worker needs to know."""

    tracking_uri: str
    model: str
    alias: str
    refresh_seconds: float
    monitored: bool


def main(words: list[str] | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C; what has been asked by then is still answered."""
    exit_with_parent()
    parser = _parser()
    arguments = parser.parse_args(words)
    if not arguments.tracking_uri:
        parser.error(_("a tracking URI was expected: --tracking-uri, or MLFLOW_TRACKING_URI"))
    try:
        require_free(arguments.port, _("wine quality"))
        listener = socket.create_server((arguments.host, arguments.port), backlog=1024)
    except (OSError, RuntimeError) as error:
        parser.error(str(error))
    settings = Settings(
        arguments.tracking_uri,
        arguments.model,
        arguments.alias,
        arguments.refresh_seconds,
        arguments.monitoring == "on",
    )
    log_json()
    serve_on(listener, settings)


def serve_on(listener: socket.socket, settings: Settings) -> None:
    """Answer what comes to `listener`, in this process, until it is asked to stop."""
    # Imported here: a process that only looks after workers needs none of it.
    from course_lib.serving.api import create_app
    from course_lib.serving.champion import Champion
    from course_lib.serving.monitoring import Monitoring

    log_json()  # MLflow has brought handlers of its own
    app = create_app(
        Champion(settings.tracking_uri, settings.model, settings.alias),
        monitoring=Monitoring() if settings.monitored else None,
        refresh_seconds=settings.refresh_seconds,
    )
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SECONDS_TO_FINISH,
    )

    def say_that_it_stops() -> None:
        app.state.stopping = True
        LOGGER.info("stopping")

    host, port = listener.getsockname()[:2]
    LOGGER.info("starting", extra={"fields": {"pid": os.getpid(), "host": host, "port": port}})
    GracefulServer(config, listener, say_that_it_stops).run([listener])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m course_lib.serving.service", description=_("The quality of wines, predicted.")
    )
    parser.add_argument(
        "--tracking-uri",
        default=os.environ.get("MLFLOW_TRACKING_URI"),
        help=_("MLflow's server or its database"),
    )
    parser.add_argument("--model", default="wine", help=_("the registered model's name"))
    parser.add_argument("--alias", default="champion", help=_("the alias of the version that answers"))
    parser.add_argument("--host", default="127.0.0.1", help=_("the address to listen on"))
    parser.add_argument("--port", type=int, default=8000, help=_("the TCP port to listen on"))
    parser.add_argument(
        "--refresh-seconds",
        type=float,
        default=10,
        help=_("how often to ask the registry for a new champion"),
    )
    parser.add_argument(
        "--monitoring", choices=("on", "off"), default="on", help=_("whether to count, log and watch")
    )
    return parser


if __name__ == "__main__":
    main()
