"""What tests need and the course's files do not bring: programs, PyTorch, a git repository.

On a learner's machine a test without its part is skipped and says which part that is. With CI=true it
fails, so that nothing is left out unseen.
"""

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest

PROJECT = Path(__file__).resolve().parents[1]
# Where npm puts what `.ci/run` installs with it.
NODE_PROGRAMS = PROJECT / ".cache" / "node" / "node_modules" / ".bin"


def do_without(part: str) -> NoReturn:
    """Skip the test that runs, because `part` is missing; with CI=true fail it."""
    reason = f"This test needs {part}."
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} With CI=true every part must be there: see .ci/run.")
    pytest.skip(reason)


def require(program: str) -> str:
    """Return the path of `program`; without it, skip the test, or with CI=true fail it.

    >>> require("sh").endswith("sh")
    True
    """
    path = shutil.which(program) or shutil.which(program, path=str(NODE_PROGRAMS))
    return path or do_without(f"the program {program}, which is not installed here")


def require_torch() -> None:
    """Skip the test, or with CI=true fail it, where the set-up could not reach PyTorch's CPU build."""
    if find_spec("torch") is None:
        do_without("PyTorch (torch), which is not installed here; tools/setup.sh brings it")


def course_files() -> list[str]:
    """Return every file that git has, or would have, below the project; where there is none, as `require`.

    >>> "tests/system_parts.py" in course_files()
    True
    """
    command = [require("git"), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    names = list(filter(None, listed.stdout.split("\0")))
    if listed.returncode or not names:
        said = listed.stderr.strip() or "no files"
        do_without(f"a git repository around the course; here git says: {said}")
    return names
