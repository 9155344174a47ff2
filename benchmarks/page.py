"""The page benchmarks/README.md: a section for each benchmark, with the day and the machine it ran on."""

import datetime
import re

HEADER = """# Benchmarks

Each script here holds claims of speed and size, each beside a peer in the same run. `make benchmarks`
runs them all and rewrites this page from what they print; `python -m benchmarks NAME` does so for one. Times
are medians; ratios travel between machines, times do not.
"""
SECTION = """## `{name}.py`

Measured on {date}, on {machine}.

{shown}
"""


def section(name: str, shown: str, *, date: datetime.date, machine: str) -> str:
    """The section of the benchmark `name`, which printed `shown`."""
    return SECTION.format(name=name, shown=shown, date=date.isoformat(), machine=machine)


def page(parts: list[str]) -> str:
    """The whole page, of such sections."""
    return "\n".join([HEADER, *parts])


def sections(text: str) -> dict[str, str]:
    """The sections of a page by the benchmarks' names.

    >>> day = datetime.date(2026, 1, 31)
    >>> parts = [section(name, "| fast |", date=day, machine="a laptop") for name in ("he", "mpc")]
    >>> sections(page(parts)) == dict(zip(("he", "mpc"), parts))
    True
    """
    _header, *parts = re.split(r"^(?=## `)", text, flags=re.MULTILINE)
    return {re.match(r"## `(\w+)\.py`", part)[1]: part.rstrip("\n") + "\n" for part in parts}
