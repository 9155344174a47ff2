"""requirements.in -> requirements.txt, the one exact lock, and environment.yml, the same for conda.

Run by `make lock`. Versions that requirements.txt has already are kept where they still fit; to
renew one, take its line out first. What is left out: package indexes' addresses, and CUDA (see
pyproject.toml, [tool.uv]).
"""

import re
import subprocess
import sys
from pathlib import Path

import uv

PROJECT = Path(__file__).resolve().parents[1]

LOCK_HEADER = """\
# The one exact lock: made from requirements.in by `make lock`, not by hand.
# `make lab` installs it without CUDA; plain `pip install -r` on Linux would download several GB of it.
"""

ENVIRONMENT_HEADER = """\
# The conda environment: requirements.txt's versions, made by `make lock`, not by hand.
#     conda env create -f environment.yml
#     conda activate private-prediction
#     make lab ENV="$CONDA_PREFIX"
# PyTorch and what needs it are left to that last command, which takes the CPU build: pip inside
# conda would bring several GB of CUDA along.
name: private-prediction
channels:
  - conda-forge
dependencies:
  - python=3.11
  - pip
  - make
  - pip:
"""

# What every line of the lock holds anyway, by [tool.uv] environments in pyproject.toml.
PYTHON_MARKER = "python_full_version < '3.12'"
SYSTEMS_MARKER = "(sys_platform == 'darwin' or sys_platform == 'linux' or sys_platform == 'win32')"


def shorten_marker(line: str) -> str:
    """Take out of a requirement's marker what is true on every system that the course runs on.

    >>> shorten_marker("idna==3.20 ; python_full_version < '3.12' and " + SYSTEMS_MARKER)
    'idna==3.20'
    >>> shorten_marker("appnope==1.0.0 ; python_full_version < '3.12' and sys_platform == 'darwin'")
    "appnope==1.0.0 ; sys_platform == 'darwin'"
    """
    requirement, separator, marker = line.partition(" ; ")
    conditions = re.split(r" and (?![^(]*\))", marker.strip())
    kept = [part for part in conditions if part not in (PYTHON_MARKER, SYSTEMS_MARKER)]
    return f"{requirement.rstrip()} ; {' and '.join(kept)}" if separator and kept else requirement.rstrip()


def read_lock(text: str) -> dict[str, set[str]]:
    """Map each requirement line of a lock to the names of the packages that asked for it.

    >>> read_lock("filelock==4.2\\n    # via torch\\nidna==3.20\\n")
    {'filelock==4.2': {'torch'}, 'idna==3.20': set()}
    """
    asked_by: dict[str, set[str]] = {}
    requirement = ""
    for line in text.splitlines():
        if line and not line.startswith((" ", "#")):
            requirement = line
            asked_by[requirement] = set()
        elif requirement and line.startswith("    #"):
            name = line.removeprefix("    #").strip().removeprefix("via").strip()
            asked_by[requirement].update([name] if name else [])
    return asked_by


def without_torch(asked_by: dict[str, set[str]]) -> list[str]:
    """List the lock's requirement lines but PyTorch's and those of packages that need it.

    >>> without_torch({"a==1": set(), "b==1": {"torch"}, "opacus==2": set(), "torch==2": {"opacus"}})
    ['a==1', 'b==1']
    """
    left_out = {"torch"}
    while True:
        needing = {name for line, names in asked_by.items() if name_of(line) in left_out for name in names}
        if needing <= left_out:
            return [line for line in asked_by if name_of(line) not in left_out]
        left_out |= needing


def name_of(requirement: str) -> str:
    """The package's name in a requirement line: `name_of("idna==3.20")` is `idna`."""
    return re.match(r"[A-Za-z0-9._-]+", requirement)[0]


def resolve() -> str:
    """Let uv resolve requirements.in for Linux, macOS and Windows; the lock's text."""
    lock = PROJECT / "requirements.txt"
    arguments = ["--universal", "--python-version", "3.11", "--no-emit-index-url", "--no-header", "--quiet"]
    subprocess.run(
        [uv.find_uv_bin(), "pip", "compile", *arguments, "requirements.in", "-o", lock.name],
        cwd=PROJECT,
        check=True,
    )
    lines = lock.read_text(encoding="utf-8").splitlines()
    return LOCK_HEADER + "".join(
        f"{line if line.startswith((' ', '#')) else shorten_marker(line)}\n" for line in lines
    )


def environment(lock: str) -> str:
    """environment.yml's text for a lock's text."""
    lines = without_torch(read_lock(lock))
    return ENVIRONMENT_HEADER + "".join(f'      - "{line}"\n' for line in lines)


def main() -> None:
    try:
        lock = resolve()
    except subprocess.CalledProcessError:
        sys.exit("uv found no set of versions that fits requirements.in: what it says stands above.")
    (PROJECT / "requirements.txt").write_text(lock, encoding="utf-8")
    (PROJECT / "environment.yml").write_text(environment(lock), encoding="utf-8")


if __name__ == "__main__":
    main()
