"""The web service: encrypted inference over HTTP, in a process of its own.

    python -m course_lib.he.service --model MODEL.npz --key-store FOLDER --port 8000

The model is a file that numpy.savez wrote, with a linear model's arrays or a network's
(`scoring.load_server` says which); the key store is a folder or any other fsspec URL. The service keeps no
state beside it, so any number of services may stand behind one address. What it answers stands in
`endpoints` and, while it runs, at /docs. Leaves out TLS and logins, which a reverse proxy adds.
"""

import argparse
import os

import uvicorn

from course_lib.he.endpoints import create_app
from course_lib.he.pool import WorkerPool, worker_command
from course_lib.he.scoring import make_scorer
from course_lib.i18n import _
from course_lib.processes import exit_with_parent, require_free

SECONDS_TO_FINISH = 3  # that a caller has left once the service has been asked to stop


def main(words: list[str] | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C; what has been asked by then is still answered."""
    exit_with_parent()
    parser = _parser()
    arguments = parser.parse_args(words)
    try:
        server = _checked_server(arguments)
        require_free(arguments.port, _("encrypted inference"))
    except (OSError, ValueError, RuntimeError) as error:
        parser.error(str(error))
    pool = WorkerPool(worker_command(arguments.model, arguments.key_store), arguments.workers)
    uvicorn.run(
        create_app(
            pool,
            classes=server.classes,
            features=server.features,
            most_key_bytes=server.needs.most_bytes,
        ),
        host=arguments.host,
        port=arguments.port,
        server_header=False,
        timeout_graceful_shutdown=SECONDS_TO_FINISH,
    )


def _checked_server(arguments: argparse.Namespace):
    """The model that the workers will load; this process needs its sizes, and to know that it is sound."""
    if arguments.key_store.startswith("memory:"):
        raise ValueError(
            _(
                "A key store that all processes see was expected, but {url} is in one process's memory."
            ).format(url=arguments.key_store)
        )
    scorer = make_scorer(arguments.model, arguments.key_store)
    scorer.key_store.key_ids()
    return scorer.server


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m course_lib.he.service", description=_("Scores of a model on encrypted values.")
    )
    parser.add_argument("--model", required=True, help=_("a file with the model's arrays (.npz)"))
    parser.add_argument("--key-store", required=True, help=_("a folder for public keys, or any fsspec URL"))
    parser.add_argument("--host", default="127.0.0.1", help=_("the address to listen on"))
    parser.add_argument("--port", type=int, default=8000, help=_("the TCP port to listen on"))
    workers = min(4, os.cpu_count() or 1)
    parser.add_argument("--workers", type=int, default=workers, help=_("how many requests at once"))
    return parser


if __name__ == "__main__":
    main()
