"""What every benchmark prints: a table for people, then one line of JSON for machines.

Leaves out timing itself beyond `median_seconds`: each benchmark measures its own subject beside its peer.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Claim:
    """A statement with its measured number and its bar; `at_least` tells on which side of it holds.

    >>> Claim("times faster", 1500.0, 1000, at_least=True).holds
    True
    >>> Claim("MB of keys", 5.0, 4, at_least=False).holds
    False
    """

    what: str
    measured: float
    bar: float
    at_least: bool

    @property
    def holds(self) -> bool:
        """Whether the measured number is on the right side of the bar."""
        return self.measured >= self.bar if self.at_least else self.measured <= self.bar


def median_seconds(action: Callable[[], object], *, runs: int, warm_up: int = 1) -> float:
    """The median wall time of `runs` calls, in seconds, after `warm_up` that do not count."""
    for _run in range(warm_up):
        action()
    return statistics.median(_seconds(action) for _run in range(runs))


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A Markdown table whose columns are as wide as they need to be."""
    cells = [list(map(str, row)) for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    print("\n".join([lines[0], rule, *lines[1:]]))


def finish(claims: Sequence[Claim]) -> None:
    """Print the claims as a table and as one line of JSON; exit with status 1 where one does not hold."""
    print()
    print_table(
        ("claim", "measured", "bar", "holds"),
        [
            (
                claim.what,
                f"{claim.measured:.4g}",
                f"{'≥' if claim.at_least else '≤'} {claim.bar:g}",
                "yes" if claim.holds else "NO",
            )
            for claim in claims
        ],
    )
    entries = [{**asdict(claim), "holds": claim.holds} for claim in claims]
    print(json.dumps({"claims": entries}))
    sys.exit(0 if all(claim.holds for claim in claims) else 1)
