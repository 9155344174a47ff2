"""What each researcher's differentially private answers have cost so far, and the refusal to go beyond.

Promises: what is spent is on the disk before anything is answered, also where two processes ask at once; an
amount that would exceed the budget is refused and leaves no trace; a record with a line that can't be read
is refused, never taken as empty. Epsilons add up, and so do deltas, whoever chose the questions and
whenever (Dwork and Roth, "The Algorithmic Foundations of Differential Privacy", 2014, theorem 3.16); they
are added in decimal, so that ten times 0.1 is 1.

Leaves out: researchers who share their answers. Where that can happen, the costs of all of them add up; so
give them one budget. It does not notice either when lines at the end are deleted: keep the file where
nobody can.
"""

import json
import os
from decimal import Decimal, InvalidOperation
from pathlib import Path

from filelock import FileLock

from course_lib.i18n import _

Cost = tuple[Decimal, Decimal]  # an epsilon and a delta
_NOTHING = (Decimal(0), Decimal(0))


class BudgetExceeded(ValueError):
    """The amount would exceed the researcher's budget; nothing was spent."""


class BudgetRecord:
    """A file with one line for each amount spent; each researcher may spend `epsilon` and `delta` in all.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     record = BudgetRecord.create(Path(folder) / "budget.jsonl", epsilon=1.0, delta=1e-6)
    ...     record.spend("ada@university.example", epsilon=0.7, purpose="mean age")
    ...     record.left("ada@university.example"), record.left("eve@elsewhere.example")
    ((0.3, 1e-06), (1.0, 1e-06))
    """

    def __init__(self, path: Path):
        """Open an existing record. Raises ValueError where it can't be read."""
        self._path = Path(path)
        self._lock = FileLock(f"{self._path}.lock")
        self._read()

    @classmethod
    def create(cls, path: Path, *, epsilon: float, delta: float = 0.0) -> "BudgetRecord":
        """Begin a record. Raises ValueError for a budget that is not one; FileExistsError."""
        budget = _cost(epsilon, delta)
        with open(path, "x", encoding="utf-8") as file:
            _append(file, {"epsilon": str(budget[0]), "delta": str(budget[1])})
        return cls(path)

    def spend(self, researcher: str, *, epsilon: float, delta: float = 0.0, purpose: str) -> None:
        """Write down the cost; when this returns, it is spent.

        Raises BudgetExceeded, and spends nothing, where not so much is left; ValueError for bad input.
        """
        cost = _cost(epsilon, delta)
        with self._lock:
            budget, spent = self._read()
            left = _minus(budget, spent.get(researcher, _NOTHING))
            if cost[0] > left[0] or cost[1] > left[1]:
                message = _(
                    "{researcher} would need an epsilon of {epsilon} and a delta of {delta}, "
                    "but {epsilon_left} and {delta_left} are left."
                )
                raise BudgetExceeded(
                    message.format(
                        researcher=researcher,
                        epsilon=f"{float(cost[0]):g}",
                        delta=f"{float(cost[1]):g}",
                        epsilon_left=f"{float(left[0]):g}",
                        delta_left=f"{float(left[1]):g}",
                    )
                )
            line = {
                "researcher": researcher,
                "epsilon": str(cost[0]),
                "delta": str(cost[1]),
                "purpose": purpose,
            }
            with open(self._path, "a", encoding="utf-8") as file:
                _append(file, line)

    def left(self, researcher: str) -> tuple[float, float]:
        """The epsilon and the delta that `researcher` may still spend."""
        budget, spent = self._read()
        epsilon, delta = _minus(budget, spent.get(researcher, _NOTHING))
        return float(epsilon), float(delta)

    def _read(self) -> tuple[Cost, dict[str, Cost]]:
        """The budget, and what each researcher has spent."""
        text = self._path.read_text(encoding="utf-8")
        number, spent = text.count("\n") + 1, {}
        try:
            if not text.endswith("\n"):
                raise ValueError("cut off")
            first, *others = text.splitlines()
            number = 1
            budget = _cost_in(first)
            for line in others:
                number += 1
                researcher = json.loads(line)["researcher"]
                spent[researcher] = _plus(spent.get(researcher, _NOTHING), _cost_in(line))
        except (ValueError, KeyError, TypeError) as error:
            message = _("Line {number} of the budget record {path} can't be read: it was cut off or changed.")
            raise ValueError(message.format(number=number, path=self._path)) from error
        return budget, spent


def _cost(epsilon: float | str, delta: float | str) -> Cost:
    try:
        cost = Decimal(str(epsilon)), Decimal(str(delta))
    except InvalidOperation:
        cost = Decimal("nan"), Decimal("nan")
    if not all(part.is_finite() for part in cost) or cost[0] <= 0 or not 0 <= cost[1] < 1:
        message = _(
            "An epsilon above 0 and a delta from 0 to below 1 were expected, not {epsilon} and {delta}."
        )
        raise ValueError(message.format(epsilon=epsilon, delta=delta))
    return cost


def _cost_in(line: str) -> Cost:
    written = json.loads(line)
    return _cost(written["epsilon"], written["delta"])


def _plus(one: Cost, other: Cost) -> Cost:
    return one[0] + other[0], one[1] + other[1]


def _minus(one: Cost, other: Cost) -> Cost:
    return one[0] - other[0], one[1] - other[1]


def _append(file, line: dict) -> None:
    file.write(json.dumps(line) + "\n")
    file.flush()
    os.fsync(file.fileno())
