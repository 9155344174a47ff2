"""`make benchmarks`: run every benchmark, and rewrite benchmarks/README.md from what they printed.

Leaves out any judgement of its own: a benchmark exits non-zero where a claim does not hold, and so does this.
"""

import datetime
import platform
import subprocess
import sys
from pathlib import Path

import psutil

FOLDER = Path(__file__).parent
NOT_BENCHMARKS = {"__init__", "__main__", "made_covertype", "report"}
LIMIT_SECONDS = 3600

HEADER = """# Benchmarks

Each script here holds claims of speed and size, each beside a peer in the same run. `make benchmarks`
runs them all and rewrites this page from what they print. Times are medians; ratios travel between
machines, times do not.

Measured on {date}, on {machine}.
"""


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
    shown = [line for line in finished.stdout.splitlines() if not line.startswith('{"claims"')]
    return "\n".join(shown).strip(), finished.returncode


def machine() -> str:
    """The machine in words: processor, cores, memory, system."""
    memory = psutil.virtual_memory().total / 2**30
    hardware = f"{platform.machine()}, {psutil.cpu_count()} cores, {memory:.0f} GiB"
    return f"{hardware}, {platform.system()}, Python {platform.python_version()}"


def main() -> int:
    """Run all, write the page, and return 1 where one failed."""
    names = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in NOT_BENCHMARKS)
    results = {name: run(name) for name in names}
    sections = [f"## `{name}.py`\n\n{shown}\n" for name, (shown, _status) in results.items()]
    page = HEADER.format(date=datetime.date.today().isoformat(), machine=machine())
    (FOLDER / "README.md").write_text("\n".join([page, *sections]), encoding="utf-8")
    return int(any(status != 0 for _shown, status in results.values()))


if __name__ == "__main__":
    sys.exit(main())
