"""Programs that tests need and Python packages do not bring: a browser, gettext, a storage server."""

import os
import shutil
from pathlib import Path

import pytest

# Where npm puts what `.ci/run` installs with it.
NODE_PROGRAMS = Path(__file__).resolve().parents[1] / ".cache" / "node" / "node_modules" / ".bin"


def require(program: str) -> str:
    """Return the path of `program`; without it, skip the test, or with CI=true fail it.

    >>> require("sh").endswith("sh")
    True
    """
    path = shutil.which(program) or shutil.which(program, path=str(NODE_PROGRAMS))
    if path is not None:
        return path
    reason = f"This test needs the program {program}, which is not installed here."
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} With CI=true every part must be there: see .ci/run.")
    pytest.skip(reason)
