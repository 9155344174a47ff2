"""What each researcher's differentially private answers have cost so far, and the refusal to go beyond.

Promises: what is spent is on the disk before anything is answered, also where two processes ask at once; an
amount that would exceed the budget is refused and leaves no trace; a record with a line that can't be read is
refused, never taken as empty. Costs of pure differential privacy (epsilon) add up, whoever chose the questions
and whenever (Dwork and Roth, 2014, theorem 3.16); they are added in decimal, so that ten times 0.1 is 1.

Leaves out: researchers who share their answers. Where that can happen, the costs of all of them add up; so give
them one budget. It does not notice either when lines at the end are deleted: keep the file where nobody can.
"""

import json
import os
from decimal import Decimal, InvalidOperation
from pathlib import Path

from filelock import FileLock

from course_lib.i18n import _


class BudgetExceeded(ValueError):
    """The amount would exceed the researcher's budget; nothing was spent."""


class BudgetRecord:
    """A file with one line for each amount spent; `epsilon` is what each researcher may spend in all.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     record = BudgetRecord.create(Path(folder) / "budget.jsonl", epsilon=1.0)
    ...     record.spend("ada@university.example", epsilon=0.7, purpose="mean age")
    ...     record.left("ada@university.example"), record.left("eve@elsewhere.example")
    (0.3, 1.0)
    """

    def __init__(self, path: Path):
        """Open an existing record. Raises ValueError where it can't be read."""
        self._path = Path(path)
        self._lock = FileLock(f"{self._path}.lock")
        self._read()

    @classmethod
    def create(cls, path: Path, *, epsilon: float) -> "BudgetRecord":
        """Begin a record. Raises ValueError for an epsilon that is not positive; FileExistsError."""
        first = {"budget": str(_positive(epsilon))}
        with open(path, "x", encoding="utf-8") as file:
            _append(file, first)
        return cls(path)

    def spend(self, researcher: str, *, epsilon: float, purpose: str) -> None:
        """Write down `epsilon`; when this returns, it is spent.

        Raises BudgetExceeded, and spends nothing, where not so much is left; ValueError for bad input.
        """
        amount = _positive(epsilon)
        with self._lock:
            budget, spent = self._read()
            left = budget - spent.get(researcher, Decimal(0))
            if amount > left:
                message = _("{researcher} asked for an epsilon of {amount}, but only {left} is left of {budget}.")
                raise BudgetExceeded(
                    message.format(researcher=researcher, amount=amount, left=left, budget=budget)
                )
            with open(self._path, "a", encoding="utf-8") as file:
                _append(file, {"researcher": researcher, "epsilon": str(amount), "purpose": purpose})

    def left(self, researcher: str) -> float:
        """What `researcher` may still spend."""
        budget, spent = self._read()
        return float(budget - spent.get(researcher, Decimal(0)))

    def _read(self) -> tuple[Decimal, dict[str, Decimal]]:
        text = self._path.read_text(encoding="utf-8")
        number, spent = 1, {}
        try:
            if not text.endswith("\n"):
                number = text.count("\n") + 1
                raise ValueError("cut off")
            first, *others = map(json.loads, text.splitlines())
            budget = _positive(first["budget"])
            for number, line in enumerate(others, start=2):
                spent[line["researcher"]] = spent.get(line["researcher"], Decimal(0)) + _positive(line["epsilon"])
        except (ValueError, KeyError, TypeError) as error:
            message = _("Line {number} of the budget record {path} can't be read: it was cut off or changed.")
            raise ValueError(message.format(number=number, path=self._path)) from error
        return budget, spent


def _positive(epsilon: float | str) -> Decimal:
    try:
        amount = Decimal(str(epsilon))
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or amount <= 0:
        raise ValueError(_("A positive epsilon was expected, not {epsilon}.").format(epsilon=epsilon))
    return amount


def _append(file, line: dict) -> None:
    file.write(json.dumps(line) + "\n")
    file.flush()
    os.fsync(file.fileno())
