"""nbval, as `make test` calls it, notices an output that nobody would get, and only that."""

import copy
import re
import subprocess
import sys

import nbformat
import pytest

from tools.layout import HERE, Course
from tools.lessons import parse_lesson
from tools.notebooks import Job, execute

LESSON = """\
# %%
from pathlib import Path
from random import random

import matplotlib.pyplot as plt
from course_lib.figures import show

print(Path.cwd().name)

# %%
show(plt.figure(), alt="An empty figure")

# %% tags=["nbval-ignore-output", "reason:random"]
print(random())
"""


def with_changed_text(notebook):
    notebook.cells[0].outputs[0].text = "fr\n"


def with_other_pixels(notebook):
    data = notebook.cells[1].outputs[0].data
    data["image/png"] = data["image/png"][:-8] + "AAAAAAA="
    if "text/markdown" in data:
        data["text/markdown"] = data["text/markdown"][:-9] + "AAAAAAA=)"


def with_another_alternative_text(notebook):
    notebook.cells[1].outputs[0].data["text/plain"] = "A full figure"


def without_its_figure(notebook):
    notebook.cells[1].outputs = []


def with_a_figure_too_many(notebook):
    notebook.cells[0].outputs += notebook.cells[1].outputs


CHANGES = {
    with_changed_text: True,
    with_other_pixels: False,
    with_another_alternative_text: True,
    without_its_figure: True,
    with_a_figure_too_many: True,
}


@pytest.fixture(scope="module")
def notebook_file(tmp_path_factory):
    """A small notebook as the build writes it."""
    course = Course(tmp_path_factory.mktemp("course"), languages=("en",))
    return execute(Job(course, parse_lesson("01_small", LESSON), "en"))


def test_changed_outputs_fail_and_the_rest_passes(notebook_file):
    notebook = nbformat.read(notebook_file, as_version=4)
    for change in CHANGES:
        other = copy.deepcopy(notebook)
        change(other)
        nbformat.write(other, notebook_file.with_name(f"{change.__name__}.ipynb"))
    folder = notebook_file.parent
    command = [sys.executable, "-m", "pytest", "-q", "-c", "pyproject.toml", "-p", "no:cacheprovider", "-rA"]
    done = subprocess.run([*command, str(folder)], cwd=HERE.root, capture_output=True, text=True)
    outcomes = re.findall(r"^(PASSED|FAILED) (?:.*/)?(\w+)\.ipynb::", done.stdout, flags=re.MULTILINE)
    failed = {name for outcome, name in outcomes if outcome == "FAILED"}
    assert failed == {change.__name__ for change, noticed in CHANGES.items() if noticed}, done.stdout
    assert ("PASSED", "01_small") in outcomes
