"""What a query cost a party: seconds, bytes and messages, in all and for each operation.

The engine writes these into its log when it is asked to. Promises that the log touches no disk on Linux;
elsewhere it is a file in a folder that this user alone can read, removed at the end. Leaves out what TCP
and TLS add.
"""

import contextlib
import json
import os
import re
import tempfile
from dataclasses import asdict, dataclass

_OPERATION = re.compile(
    r"- pphlo\.(\w+), executed (\d+) times, duration ([\d.e+-]+)s,"
    r" send bytes (\d+) recv bytes \d+, send actions (\d+)"
)
_TOTAL = re.compile(r"Link details: total send bytes (\d+), recv bytes (\d+), send actions (\d+)")
_SECONDS = re.compile(r"SPU execution \w+ completed, .* total time ([\d.e+-]+)s")


@dataclass(frozen=True)
class OperationCost:
    """What one kind of operation cost a party in a query."""

    name: str
    times: int
    seconds: float
    sent_bytes: int
    messages: int


@dataclass(frozen=True)
class Cost:
    """What a query cost one party; `operations` come in the order of their seconds, the longest first.

    Messages follow each other: on a network each waits about as long as a packet takes to the next party.
    The engine draws anew, each time, which party does what: bytes and messages of one party vary a little
    from query to query, and the sum over the three does not.
    """

    seconds: float
    sent_bytes: int
    received_bytes: int
    messages: int
    operations: tuple[OperationCost, ...]

    def to_json(self) -> str:
        """The cost as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Cost":
        """The cost back from text."""
        fields = json.loads(text)
        return cls(**fields | {"operations": tuple(OperationCost(**part) for part in fields["operations"])})


def parse_cost(log: str) -> Cost:
    """The cost of the one query that the engine's log tells of.

    >>> parse_cost('''SPU execution model completed, and so on, total time 0.2s.
    ... - pphlo.dot, executed 1 times, duration 0.1s, send bytes 20 recv bytes 40, send actions 3, and so on
    ... Link details: total send bytes 336, recv bytes 259, send actions 49, recv actions 42''').operations
    (OperationCost(name='dot', times=1, seconds=0.1, sent_bytes=20, messages=3),)
    """
    seconds, total = _SECONDS.search(log), _TOTAL.search(log)
    operations = tuple(
        OperationCost(name, int(times), float(duration), int(sent), int(messages))
        for name, times, duration, sent, messages in _OPERATION.findall(log)
    )
    sent, received, messages = map(int, total.groups())
    return Cost(float(seconds[1]), sent, received, messages, operations)


class EngineLog:
    """A file for the engine's log, in memory where the system has such files."""

    def __init__(self):
        self._resources = contextlib.ExitStack()
        if hasattr(os, "memfd_create"):
            self._file = self._resources.enter_context(os.fdopen(os.memfd_create("engine log"), "r+b"))
            self.path = f"/proc/self/fd/{self._file.fileno()}"
        else:
            folder = self._resources.enter_context(tempfile.TemporaryDirectory(prefix="course-mpc-"))
            self.path = os.path.join(folder, "log")
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            self._file = self._resources.enter_context(os.fdopen(file, "r+b"))

    def take(self) -> str:
        """What was written since the last time."""
        self._file.seek(0)
        text = self._file.read().decode("utf-8", errors="replace")
        self._file.truncate(0)
        return text

    def close(self) -> None:
        """Remove the file."""
        self._resources.close()
