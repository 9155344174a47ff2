"""Logs for machines: one JSON object a line, with the id of the request that it is about.

Promises that no measurement of a wine is written, and of a mistake's message nothing either, since it may
repeat one: its type and the places in the code are. Leaves out where logs go from standard error: whoever
runs the service collects them.
"""

import json
import logging
import re
import sys
import traceback
import uuid
from datetime import UTC, datetime
from typing import TextIO

LOGGER = logging.getLogger("course_lib.serving")
REQUEST = "request"  # the event of which there are thousands
_SECONDS_TOGETHER = 0.1
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON; what stands in ``extra={"fields": {…}}`` becomes fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, whatever its message holds."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0]:
            entry["error"] = record.exc_info[0].__name__
            entry["places"] = [
                f"{frame.filename}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(record.exc_info[2])
            ]
        return json.dumps(entry)


class LinesTogether(logging.Handler):
    """Writes the lines of many requests at once, since each write costs as much as the line.

    A line is written immediately where none has been for a tenth of a second, or where it is not about a
    request; the others wait for more of them, or for whoever calls `flush`.
    """

    def __init__(self, stream: TextIO, most: int = 100):
        super().__init__()
        self._stream = stream
        self._most = most
        self._lines: list[str] = []
        self._written = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record's line, and write all when it is urgent or there are many."""
        self._lines.append(self.format(record))
        quiet = record.created - self._written > _SECONDS_TOGETHER
        if quiet or record.msg != REQUEST or len(self._lines) >= self._most:
            if record.msg == REQUEST:  # the first request after another line has no reason to wait
                self._written = record.created
            self.flush()

    def flush(self) -> None:
        """Write the lines that have been kept."""
        with self.lock:
            lines, self._lines = self._lines, []
            if lines:
                self._stream.write("\n".join(lines) + "\n")
                self._stream.flush()


def write_log() -> None:
    """Write what has been logged so far."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def log_json() -> None:
    """Write what this process logs to standard error, a JSON object a line."""
    handler = LinesTogether(sys.stderr)
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
