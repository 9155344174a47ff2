"""The web service: predictions of the registry's champion over HTTP, in a process of its own.

    python -m course_lib.serving.service --tracking-uri http://127.0.0.1:5000 --port 8000

The tracking URI is that of an MLflow server or its database; where it holds a password, set
MLFLOW_TRACKING_URI in its place. What the service answers stands in `api` and, while it runs, at /docs.
Leaves out TLS and logins, which a reverse proxy adds.
"""

import argparse
import os
import socket

from course_lib.i18n import _
from course_lib.processes import exit_with_parent, require_free
from course_lib.serving.supervisor import supervise
from course_lib.serving.worker import Settings, serve_on


def main(words: list[str] | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C; what has been asked by then is still answered."""
    exit_with_parent()
    parser = _parser()
    arguments = parser.parse_args(words)
    if not arguments.tracking_uri:
        parser.error(_("a tracking URI was expected: --tracking-uri, or MLFLOW_TRACKING_URI"))
    try:
        require_free(arguments.port, _("wine quality"))
        listener = _listen(arguments.host, arguments.port)
    except (OSError, RuntimeError) as error:
        parser.error(str(error))
    settings = Settings(
        arguments.tracking_uri,
        arguments.model,
        arguments.alias,
        arguments.refresh_seconds,
        arguments.monitoring == "on",
    )
    # A worker answers one question at a time: threads in its arithmetic would only wait for each other.
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    if arguments.workers > 1:
        supervise(listener, settings, workers=arguments.workers)
    else:
        serve_on(listener, settings)


def _listen(host: str, port: int) -> socket.socket:
    """A listener at this address; OSError where there can't be one."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _name, address = found[0]
    # The protocol must be named (socket.create_server leaves it out): asyncio sends small packets at once
    # only where it reads "TCP", and an answer in two packets would wait 40 ms for the caller's receipt.
    listener = socket.socket(family, kind, protocol)
    if os.name == "posix":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen(1024)
    return listener


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
    parser.add_argument("--workers", type=int, default=1, help=_("how many processes answer"))
    parser.add_argument(
        "--monitoring", choices=("on", "off"), default="on", help=_("whether to count, log and watch")
    )
    return parser


if __name__ == "__main__":
    main()
