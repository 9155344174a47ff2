"""The process that evaluates requests: one at a time, within a bound on memory and time.

SEAL is C++: what crashes it ends its process, and that must not be the service. A worker ends when its
standard input does, which is also what happens when the service is killed.

    python -m course_lib.he.worker --model MODEL.npz --key-store URL

Leaves out any sandbox: a request that took a worker over could do what the service's user may do.
"""

import argparse
import faulthandler
import json
import os
import signal
import sys
import traceback
from http import HTTPStatus
from typing import BinaryIO

import psutil

from course_lib.he.keystore import KeyStoreError, UnknownKeyId
from course_lib.he.scoring import Scorer, make_scorer
from course_lib.i18n import _, use_language

SECONDS_PER_REQUEST = 30
MEMORY_PER_REQUEST = 512 << 20  # bytes that a worker may take beyond what it has when it is ready
TIMED_OUT = 1  # the exit status that faulthandler ends a process with

Answer = tuple[int, bytes]  # an HTTP status and a body in JSON


def refusal(status: HTTPStatus, sentence: str) -> Answer:
    """The answer that says in one sentence why there is no other."""
    return int(status), json.dumps({"error": sentence}).encode()


def send(stream: BinaryIO, *parts: bytes) -> None:
    """Write parts so that `receive` finds where each ends."""
    for part in parts:
        stream.write(len(part).to_bytes(8, "big"))
        stream.write(part)
    stream.flush()


def receive(stream: BinaryIO) -> bytes:
    """The next part; EOFError where the other side has ended."""
    length = stream.read(8)
    part = stream.read(int.from_bytes(length, "big"))
    if len(length) < 8 or len(part) < int.from_bytes(length, "big"):
        raise EOFError
    return part


def serve(scorer: Scorer, questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer questions until there are no more: each is a head in JSON and a payload.

    The head holds `operation` ("score", "upload" or "delete"), `language` and, for the last two, `key_id`.
    """
    send(answers, b"ready", b"")
    while True:
        try:
            question, payload = json.loads(receive(questions)), receive(questions)
        except EOFError:
            return
        faulthandler.dump_traceback_later(SECONDS_PER_REQUEST, exit=True)  # works inside C++ too
        with use_language(question["language"]):
            status, body = _evaluate(scorer, question, payload)
        faulthandler.cancel_dump_traceback_later()
        send(answers, json.dumps({"status": status}).encode(), body)


def _evaluate(scorer: Scorer, question: dict, payload: bytes) -> Answer:
    try:
        match question["operation"]:
            case "score":
                answer = scorer.run(payload)
            case "upload":
                answer = scorer.upload_keys(question["key_id"], payload)
            case "delete":
                answer = scorer.delete_keys(question["key_id"])
        return int(HTTPStatus.OK), json.dumps(answer).encode()
    except UnknownKeyId as error:
        return refusal(HTTPStatus.NOT_FOUND, str(error))
    except ValueError as error:
        return refusal(HTTPStatus.BAD_REQUEST, str(error))
    except KeyStoreError as error:
        return refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    except MemoryError:
        return refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            _("The request needs more than {limit} MB of memory.").format(limit=MEMORY_PER_REQUEST >> 20),
        )
    except Exception:
        traceback.print_exc()
        return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, _("The service made a mistake; its log says which."))


def limit_memory(extra: int) -> None:
    """Let this process take `extra` bytes more than it has now; Linux only, as others don't enforce it."""
    if sys.platform == "linux":
        import resource  # there is none on Windows

        limit = psutil.Process().memory_info().vms + extra
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> None:
    """Load the model, then serve on standard input and output; what is printed goes to standard error."""
    parser = argparse.ArgumentParser(prog="python -m course_lib.he.worker")
    parser.add_argument("--model", required=True)
    parser.add_argument("--key-store", required=True)
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the service, whose end closes the input
        signal.signal(number, signal.SIG_IGN)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    faulthandler.dump_traceback_later(SECONDS_PER_REQUEST, exit=True)
    scorer = make_scorer(arguments.model, arguments.key_store)
    faulthandler.cancel_dump_traceback_later()
    limit_memory(MEMORY_PER_REQUEST)
    serve(scorer, sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
