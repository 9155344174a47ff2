"""One process that answers: it has its own copy of the model and counts for itself."""

import os
import socket
from dataclasses import dataclass

import uvicorn

from course_lib.serving.graceful import SECONDS_TO_FINISH, GracefulServer
from course_lib.serving.logs import LOGGER, log_json


@dataclass(frozen=True)
class Settings:
    """What a worker needs to know: whom to ask for which model, how often, and whether to watch itself."""

    tracking_uri: str
    model: str
    alias: str
    refresh_seconds: float
    monitored: bool


def serve_on(listener: socket.socket, settings: Settings, *, alone: bool = True) -> None:
    """Answer what comes to `listener`, in this process, until it is asked to stop.

    `alone` says that no other process listens there.
    """
    # Imported here: a process that looks after workers needs none of it.
    from course_lib.serving.api import create_app
    from course_lib.serving.champion import Champion
    from course_lib.serving.monitoring import Monitoring

    log_json()  # after MLflow, which brings handlers of its own
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
        timeout_keep_alive=75,  # let the caller be the one who closes a connection
        timeout_graceful_shutdown=SECONDS_TO_FINISH,
    )

    def say_that_it_stops() -> None:
        app.state.stopping = True
        LOGGER.info("stopping", extra={"fields": {"pid": os.getpid()}})

    host, port = listener.getsockname()[:2]
    LOGGER.info("starting", extra={"fields": {"pid": os.getpid(), "host": host, "port": port}})
    GracefulServer(config, listener, say_that_it_stops, alone=alone).run([listener])
