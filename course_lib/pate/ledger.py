"""The privacy ledger: what answers cost, on disk before they are given out, up to a budget.

Promises, for a local disk and any number of processes:

- `charge` returns when its entries are on disk. Whoever answers after that has always paid. A process that is
  killed leaves a ledger that opens, with everything that was given out, and perhaps more.
- What would exceed the budget is refused and costs nothing; two processes cannot spend the same rest.
- ε and δ are fixed when the ledger is created. The ε spent holds for any votes (see `accounting.events`),
  so it may be published; it is worth nothing where the noise was not secret, and the entries say so.
- A ledger that was cut off, edited, emptied, deleted or replaced by an older copy is refused. How far that
  reaches, and what nobody can notice, stands in `journal`.

Nothing of the votes is written: only how they were used, with which noise, and when. The file is JSON Lines,
for people to read: a first line with the terms, then one line for each use of the votes. Leaves out what
other mechanisms, outside this ledger, learn from the same private data.
"""

import contextlib
import math
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from course_lib.i18n import _, number
from course_lib.pate.accounting.checks import checked_delta, checked_positive
from course_lib.pate.accounting.events import Event, epsilon_of, epsilons_after
from course_lib.pate.journal import Journal, JournalDamaged

KIND = "privacy ledger, format 1"


class BudgetExceeded(ValueError):
    """Refused, and nothing was charged for it. `answers`: those to the questions before it."""

    answers: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One use of the votes; `epsilon` is that of all entries up to this one, at the ledger's delta.

    `protects_anyone` is False where the noise was seeded: whoever knows the seed can take the noise away.
    """

    event: Event
    mechanism: str
    drawn_by: str
    protects_anyone: bool
    epsilon: float
    time: str


class Ledger:
    """A ledger: `Ledger.create` begins one, `Ledger.open` goes on with it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ledger = Ledger.create(f"{folder}/ledger.jsonl", budget=1.0, delta=1e-5)
    ...     answer = Event(what="answer", noise="gaussian", scale=40, moved=2)
    ...     ledger.charge([answer] * 50, mechanism="GNMax", drawn_by="SecureNoise", protects_anyone=True)
    ...     ledger = Ledger.open(f"{folder}/ledger.jsonl")
    ...     len(ledger.entries), round(ledger.spent(), 3), ledger.room([answer], most=1000)
    (50, 0.926, 7)
    """

    def __init__(self, journal: Journal):
        self._journal = journal
        self._entries: tuple[Entry, ...] = ()
        with self._reading():
            terms = journal.records[0]
            if terms["kind"] != KIND:
                raise ValueError(terms["kind"])
            self.budget = checked_positive("budget", terms["budget"])
            self.delta = checked_delta(terms["delta"])
        self._read_entries()

    @classmethod
    def create(
        cls, path: str | os.PathLike, *, budget: float, delta: float, head: str | os.PathLike | None = None
    ) -> "Ledger":
        """Begin a ledger: at most ε = `budget` at `delta` will ever be spent.

        `head` is a second, small file, `path` with ".head" after it unless given; see `journal` for where it
        is best kept. Raises ValueError for a budget or delta that is none, and where a ledger lies there
        already, or the head of one that is missing.
        """
        terms = {"budget": checked_positive("budget", budget), "delta": checked_delta(delta)}
        journal = _journal(path, head)
        journal.begin({"kind": KIND, "name": secrets.token_hex(16), **terms, "time": _now()})
        return cls(journal)

    @classmethod
    def open(cls, path: str | os.PathLike, *, head: str | os.PathLike | None = None) -> "Ledger":
        """Go on with a ledger. Raises JournalDamaged, a ValueError, where it is not what was written."""
        journal = _journal(path, head)
        journal.read()
        return cls(journal)

    @property
    def path(self) -> Path:
        """Where the ledger lies."""
        return self._journal.path

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries, those of other processes as far as `locked` or `charge` has read them."""
        self._read_entries()
        return self._entries

    @property
    def protects_anyone(self) -> bool:
        """Whether all noise was secret; if not, the ε says nothing."""
        return all(entry.protects_anyone for entry in self.entries)

    def spent(self) -> float:
        """The ε of all entries together."""
        return epsilon_of(self._events(), delta=self.delta)

    def locked(self) -> AbstractContextManager[None]:
        """Keep the ledger for this thread until the block ends, and read what others have written.

        Raises JournalDamaged, and TimeoutError where another process keeps it for a minute. May be nested.
        """
        return self._journal.locked()

    def room(self, question: Sequence[Event], *, most: int) -> int:
        """How many questions that cost these events fit into the budget, up to `most`."""
        before = self._events()

        def fits(questions: int) -> bool:
            return epsilon_of([*before, *question * questions], delta=self.delta) <= self.budget

        question = list(question)
        least, too_many = 0, most + 1
        while too_many - least > 1:
            middle = (least + too_many) // 2
            least, too_many = (middle, too_many) if fits(middle) else (least, middle)
        return least

    def charge(
        self, events: Sequence[Event], *, mechanism: str, drawn_by: str, protects_anyone: bool
    ) -> None:
        """Write all the events down, or raise BudgetExceeded and write none.

        Raises ValueError for events that this ledger can't add up, and what `locked` raises.
        """
        if not events:
            return
        with self.locked():
            before = self._events()
            epsilons = epsilons_after([*before, *events], delta=self.delta, since=len(before))
            if not epsilons[-1] <= self.budget:  # so that no number at all is refused, too
                raise self.exceeded(float(epsilons[-1]))
            by = {"mechanism": mechanism, "drawn_by": drawn_by, "protects_anyone": bool(protects_anyone)}
            count, time = len(before), _now()
            self._journal.append(
                [
                    {"entry": count + each, **asdict(event), **by, "epsilon": float(epsilon), "time": time}
                    for each, (event, epsilon) in enumerate(zip(events, epsilons, strict=True), start=1)
                ]
            )

    def exceeded(self, epsilon: float) -> BudgetExceeded:
        """What to raise where all together would cost `epsilon`."""
        message = _(
            "The budget is ε = {budget}, and this could bring what is spent to {epsilon}: refused,"
            " nothing charged."
        )
        return BudgetExceeded(message.format(budget=number(self.budget, 3), epsilon=number(epsilon, 3)))

    def __str__(self) -> str:
        what = [entry.event.what for entry in self.entries]
        message = _("ε = {spent} of {budget} spent at δ = {delta}: {looks} looks, {answers} answers")
        line = message.format(
            spent=number(self.spent(), 3),
            budget=number(self.budget, 3),
            delta=f"{self.delta:g}",
            looks=number(what.count("look")),
            answers=number(what.count("answer")),
        )
        if self.protects_anyone:
            return line
        return line + "\n" + _("The noise was not secret (it came from a seed): this protects nobody.")

    def _events(self) -> list[Event]:
        return [entry.event for entry in self.entries]

    def _read_entries(self) -> None:
        records = self._journal.records[1 + len(self._entries) :]
        with self._reading():
            self._entries += tuple(map(_entry_of, records))

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Turn what a line of another kind leads to into one error."""
        try:
            yield
        except (KeyError, TypeError, ValueError) as error:
            message = _("{path} holds no privacy ledger that can be read: {reason}")
            raise JournalDamaged(message.format(path=self.path, reason=error)) from None


def _journal(path: str | os.PathLike, head: str | os.PathLike | None) -> Journal:
    return Journal(Path(path), head=Path(f"{os.fspath(path)}.head" if head is None else head))


def _entry_of(record: dict) -> Entry:
    event = Event(**{name: record[name] for name in ("what", "noise", "scale", "moved")})
    names = ("mechanism", "drawn_by", "protects_anyone", "epsilon", "time")
    entry = Entry(event=event, **{name: record[name] for name in names})
    if not math.isfinite(entry.epsilon) or not isinstance(entry.protects_anyone, bool):
        raise ValueError(entry)
    return entry


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
