"""The committed notebooks: all there, the same course in every language, and what a fresh build gives.

nbval runs their cells and compares outputs; `test_nbval_runs_every_cell_of_every_notebook` holds that it
finds them all.
"""

import copy
import shutil
import subprocess
import sys
import textwrap
from collections import Counter

import nbformat
import pytest

from tools.check_notebooks import (
    fresh_build_complaints,
    link_complaints,
    output_complaints,
    same_course_complaints,
    set_complaints,
)
from tools.layout import HERE
from tools.lessons import parse_lesson, read_lesson
from tools.notebooks import build

LESSONS = [read_lesson(path) for path in HERE.lesson_files()]
every_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=[lesson.name for lesson in LESSONS])
every_language = pytest.mark.parametrize("language", HERE.languages)


def committed(lesson, language):
    return nbformat.read(HERE.notebook(lesson.name, language), as_version=4)


def test_there_is_one_notebook_per_lesson_and_language():
    assert set_complaints(HERE, LESSONS) == []
    assert len(list((HERE.root / "notebooks").glob("*/*.ipynb"))) == len(LESSONS) * len(HERE.languages)


def test_nbval_runs_every_cell_of_every_notebook():
    # No folder is named, as in `make test`, so that a setting that hides notebooks is noticed.
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=HERE.root, capture_output=True, text=True, check=True)
    collected = Counter(line.split("::")[0] for line in done.stdout.splitlines() if "::Cell" in line)
    cells = {
        HERE.relative(HERE.notebook(lesson.name, language)): sum(
            cell.kind != "prose" for cell in lesson.cells
        )
        for lesson in LESSONS
        for language in HERE.languages
    }
    assert collected == cells


def test_a_cell_may_say_more_than_a_socket_keeps(tmp_path):
    source = """
        import time
        from IPython.display import display

        for number in range(2_500):
            display({"text/plain": str(number) * 5_000}, raw=True)
            time.sleep(0.001)
        print("the end")
    """
    cell = nbformat.v4.new_code_cell(textwrap.dedent(source), execution_count=1)
    cell.metadata["tags"] = ["nbval-ignore-output"]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "many.ipynb")
    shutil.copy(HERE.root / "conftest.py", tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval-current-env"]
    done = subprocess.run([*command, "--nbval", "many.ipynb"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout


@every_lesson
def test_code_ids_and_blocks_are_the_same_in_every_language(lesson):
    notebooks = {language: committed(lesson, language) for language in HERE.languages}
    assert same_course_complaints(lesson, notebooks) == []


@every_lesson
@every_language
def test_a_notebook_is_what_a_fresh_build_gives(lesson, language):
    path = HERE.relative(HERE.notebook(lesson.name, language))
    assert fresh_build_complaints(path, committed(lesson, language), build(HERE, lesson, language)) == []


@every_lesson
@every_language
def test_outputs_are_whole_and_could_be_anybodys(lesson, language):
    path = HERE.notebook(lesson.name, language)
    notebook = committed(lesson, language)
    nbformat.validate(notebook)
    assert output_complaints(HERE.relative(path), notebook, path.stat().st_size) == []


@every_lesson
@every_language
def test_links_lead_to_files_that_are_there(lesson, language):
    assert link_complaints(HERE, HERE.notebook(lesson.name, language), committed(lesson, language)) == []


# Each check is shown what it is there to notice.

SMALL = """\
# %% [markdown]
# ## Title
#
# - item

# %%
x = 1  # one
"""


@pytest.fixture
def small():
    """A lesson of two cells and its notebook, as if it had run."""
    lesson = parse_lesson("01_small", SMALL)
    notebook = build(HERE, lesson, "en")
    notebook.cells[1].execution_count = 1
    return lesson, notebook


@pytest.mark.parametrize(
    ("cell", "source", "is_noticed"),
    [
        (0, "## Titel\n\n- Punkt", False),
        (0, "# Titel\n\n- Punkt", True),
        (0, "## Titel\n\nPunkt", True),
        (1, "# eins\nx = 1", False),
        (1, "x = 1", False),
        (1, "x = 2  # one", True),
        (1, "x  = 1  # one", True),
        (1, "x = 1  # one\ny = 1", True),
    ],
)
def test_a_difference_between_languages_is_noticed(small, cell, source, is_noticed):
    lesson, notebook = small
    notebook.cells[cell].source = source
    assert bool(same_course_complaints(lesson, {"de": notebook})) == is_noticed


def test_other_ids_kinds_and_missing_cells_are_noticed(small):
    lesson, notebook = small
    other = copy.deepcopy(notebook)
    other.cells[0].id = "another"
    assert "cell ids" in same_course_complaints(lesson, {"de": other})[0]
    other = copy.deepcopy(notebook)
    del other.cells[1]
    assert "cell ids" in same_course_complaints(lesson, {"de": other})[0]
    other = copy.deepcopy(notebook)
    other.cells[1].cell_type = "markdown"
    assert "is a markdown cell" in same_course_complaints(lesson, {"de": other})[0]


def test_every_difference_from_a_fresh_build_is_noticed(small):
    lesson, fresh = small
    assert fresh_build_complaints("n", copy.deepcopy(fresh), fresh) == []
    for change in (
        lambda notebook: notebook.metadata.update(kernel="x"),
        lambda notebook: notebook.metadata.course.update(outputs_from="0"),
        lambda notebook: notebook.cells[0].update(source="x"),
        lambda notebook: notebook.cells[0].update(id="x"),
        lambda notebook: notebook.cells[1].metadata.update(tags=["nbval-skip"]),
        lambda notebook: notebook.cells.pop(),
    ):
        other = copy.deepcopy(fresh)
        change(other)
        assert len(fresh_build_complaints("n", other, fresh)) == 1


def test_bad_outputs_are_noticed(small):
    _lesson, notebook = small
    assert output_complaints("n", notebook, 10) == []
    assert "1,000,000 bytes" in output_complaints("n", notebook, 1_000_000)[0]
    picture = nbformat.v4.new_output("display_data", {"image/png": "aaaa", "text/plain": "a"})
    error = nbformat.v4.new_output("error", ename="ValueError", evalue="", traceback=[])
    path = nbformat.v4.new_output("stream", name="stderr", text="in /home/ada/x.py: a warning")
    url = nbformat.v4.new_output(
        "stream", name="stdout", text="http://127.0.0.1:80/home/x and ./tmp/a and ~/tmp/b"
    )
    for output, complaint in ((picture, "alternative text"), (error, "ValueError"), (path, "/home/ada/x.py")):
        notebook.cells[1].outputs = [output]
        assert complaint in output_complaints("n", notebook, 10)[0]
    notebook.cells[1].outputs = [url]
    assert output_complaints("n", notebook, 10) == []
    notebook.cells[1].execution_count = None
    assert "was not run once" in output_complaints("n", notebook, 10)[0]


def test_a_dead_link_is_noticed(small):
    lesson, notebook = small
    path = HERE.notebook(lesson.name, "en")
    notebook.cells[0].source = "[a](no_such.ipynb#x) [b](https://example.org) [c](#here) [d](../../README.md)"
    assert [line.split()[-1] for line in link_complaints(HERE, path, notebook)] == ["no_such.ipynb#x."]


def test_a_missing_and_a_homeless_notebook_are_noticed(tmp_path):
    course = type(HERE)(tmp_path, ("en", "de"))
    homeless = course.notebook("02_gone", "en")
    homeless.parent.mkdir(parents=True)
    homeless.write_text("{}")
    assert set_complaints(course, [parse_lesson("01_small", SMALL)]) == [
        "notebooks/de/01_small.ipynb is missing.",
        "notebooks/en/01_small.ipynb is missing.",
        "notebooks/en/02_gone.ipynb belongs to no lesson.",
    ]
