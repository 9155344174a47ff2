"""`make benchmarks`: run every benchmark, and rewrite benchmarks/README.md from what they printed.

Leaves out any judgement of its own: a benchmark exits non-zero where a claim does not hold, and so does this.
"""

import argparse
import datetime
import platform
import subprocess
import sys
from pathlib import Path

import psutil

from benchmarks.page import page, section, sections

FOLDER = Path(__file__).parent
PAGE = FOLDER / "README.md"
NOT_BENCHMARKS = {"__init__", "__main__", "made_covertype", "page", "report"}
LIMIT_SECONDS = 3600


def run(name: str) -> tuple[str, int]:
    """What the benchmark `name` printed, without its last line (JSON for machines), and its exit status."""
    finished = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}"],
        cwd=FOLDER.parent,
        stdout=subprocess.PIPE,
        text=True,
        timeout=LIMIT_SECONDS,
    )
    sys.stdout.write(finished.stdout)
    sys.stdout.flush()
    shown = [line for line in finished.stdout.splitlines() if not line.startswith('{"claims"')]
    return "\n".join(shown).strip(), finished.returncode


def machine() -> str:
    """The machine in words: processor, cores, memory, system."""
    memory = psutil.virtual_memory().total / 2**30
    hardware = f"{platform.machine()}, {psutil.cpu_count()} cores, {memory:.0f} GiB"
    return f"{hardware}, {platform.system()}, Python {platform.python_version()}"


def main() -> int:
    """Run all, or those that are named, with the page rewritten after each; return 1 where one failed."""
    names = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in NOT_BENCHMARKS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    wanted = parser.parse_args().names
    if unknown := set(wanted) - set(names):
        parser.error(f"one of {', '.join(names)} was expected, but {', '.join(sorted(unknown))} came")
    failed = 0
    for name in wanted or names:
        shown, status = run(name)
        failed |= status != 0
        if "| claim" not in shown:  # it broke off: what it measured before stays on the page
            continue
        kept = sections(PAGE.read_text(encoding="utf-8"))
        kept[name] = section(name, shown, date=datetime.date.today(), machine=machine())
        PAGE.write_text(page([kept[name] for name in names if name in kept]), encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
