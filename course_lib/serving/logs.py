"""Logs for machines: one JSON object a line, with the id of the request that it is about.

Promises that no measurement of a wine is written, and of a mistake's message nothing either, since it may
repeat one: its type and the places in the code are; that a line is written within about a second, and all are
at a stop in good order; and that lines of several workers don't mix. Leaves out the last second of a process
that is killed, and where logs go from standard error: whoever runs the service collects them.
"""

import json
import logging
import re
import sys
import time
import traceback
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

LOGGER = logging.getLogger("course_lib.serving")
_SECONDS_TOGETHER = 0.1
_MOST_PLACES = 12  # of a mistake: the innermost ones
_PIPE_BYTES = 4096  # what Linux writes to a pipe in one piece, whoever else writes to it
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON; what stands in ``extra={"fields": {…}}`` becomes fields.

    Where a list of them stands there, each is a line.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record's lines, whatever its message holds."""
        entry = {"time": _utc(record.created), "level": record.levelname, "event": record.getMessage()}
        if record.exc_info and record.exc_info[0]:
            entry["error"] = record.exc_info[0].__name__
            entry["places"] = [
                f"{frame.filename}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(record.exc_info[2], limit=-_MOST_PLACES)
            ]
        fields = getattr(record, "fields", {})
        return "\n".join(
            json.dumps(entry | each) for each in (fields if isinstance(fields, list) else [fields])
        )


class WholeLines(logging.StreamHandler):
    """Writes a record's lines in pieces so small that those of another process come before or after them.

    >>> handler = WholeLines(sys.stdout)
    >>> handler.emit(logging.makeLogRecord({"msg": "one line\\nand another"}))
    one line
    and another
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record's lines; a failure is handled as logging.raiseExceptions says."""
        try:
            for piece in _pieces(self.format(record)):
                self.stream.write(piece)
                self.flush()
        except Exception:
            self.handleError(record)


class RequestLog:
    """What is noted of each request, as lines that are made and written together.

    Between two requests a line costs several times as much as right after another one, since what it needs
    has left the processor's caches. So a line is written at once only where no request has caused a write for
    a tenth of a second; the others wait for more of them, or for whoever calls `flush`. Lines about other
    events may overtake them, but each has its time.
    """

    def __init__(self, most: int = 100):
        self._most = most
        self._noted: list[tuple[float, dict]] = []
        self._written = 0.0

    def note(self, fields: dict) -> None:
        """Keep `fields` for a line, and write all when there was a pause before it or there are many."""
        now = time.monotonic()
        self._noted.append((time.time(), fields))
        if now - self._written > _SECONDS_TOGETHER or len(self._noted) >= self._most:
            self._written = now
            self.flush()

    def flush(self) -> None:
        """Write the lines that have been kept."""
        noted, self._noted = self._noted, []
        if noted:
            lines = [{"time": _utc(moment)} | fields for moment, fields in noted]
            LOGGER.info("request", extra={"fields": lines})


def log_json() -> None:
    """Write what this process logs to standard error, a JSON object a line."""
    handler = WholeLines(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    LOGGER.setLevel(logging.INFO)
    for library in ("uvicorn", "mlflow", "alembic"):  # they bring handlers and levels of their own
        logging.getLogger(library).handlers = []
        logging.getLogger(library).propagate = True
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its retries end in a failure that is logged


def request_id(given: bytes | None) -> str:
    """The caller's own id of a request, where it may stand in a log, else a new one.

    >>> request_id(b"order-7.2")
    'order-7.2'
    >>> len(request_id(b"two\\nlines"))
    32
    """
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given.decode()
    return uuid.uuid4().hex


def _utc(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


def _pieces(lines: str) -> Iterator[str]:
    """`lines`, of ASCII, in pieces of whole lines that each fit into a pipe, if a single line does."""
    piece = ""
    for line in lines.splitlines():
        if piece and len(piece) + len(line) + 1 > _PIPE_BYTES:
            yield piece
            piece = ""
        piece += line + "\n"
    yield piece
