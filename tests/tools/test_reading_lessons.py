"""Lessons are read into the cells that all languages share."""

import pytest

from tools.exercise_cells import blank, check_names, solution
from tools.lessons import parse_lesson

EXERCISE = """\
def f(x):
    if x:
        ### BEGIN SOLUTION
        # Why
        return 1
        ### END SOLUTION


check("small.f", f)"""


def test_a_lesson_becomes_prose_code_exercise_and_solution(lesson):
    assert [cell.kind for cell in lesson.cells] == ["prose", "code", "code", "exercise", "solution"]
    assert lesson.name == "01_small"
    assert lesson.title == "A small lesson"
    assert lesson.cells[2].tags == ("nbval-ignore-output", "reason:random")
    assert check_names(lesson.exercises[0]) == ["small.decode"]


def test_the_blank_runs_and_keeps_the_check():
    text = blank(EXERCISE)
    assert text.split("\n")[2:4] == ["        # Your code here", "        ..."]
    assert 'check("small.f", f)' in text
    assert "return 1" not in text
    compile(text, "blank", "exec")


def test_the_solution_keeps_the_answer_and_not_the_check():
    assert solution(EXERCISE) == ("# Solution\ndef f(x):\n    if x:\n        # Why\n        return 1")


@pytest.mark.parametrize("line", ["### BEGIN SOLUTION", "        ### END SOLUTION"])
def test_a_marker_without_its_partner_is_named(line):
    with pytest.raises(ValueError, match="SOLUTION"):
        blank(EXERCISE.replace(line, "", 1))


def test_ids_stay_when_another_cell_comes_goes_or_changes():
    cells = ["# %% [markdown]\n# # Title\n", "# %%\na = 1\n", "# %%\nb = 2\n", "# %%\na = 1\n"]
    ids = [cell.id for cell in parse_lesson("01_a", "\n".join(cells)).cells]
    assert len(set(ids)) == 4
    fewer = [cell.id for cell in parse_lesson("01_a", "\n".join(cells[:2] + cells[3:])).cells]
    assert fewer == ids[:2] + ids[3:]
    cells[2] = "# %%\nb = 3\n"
    changed = [cell.id for cell in parse_lesson("01_a", "\n".join(cells)).cells]
    assert [old == new for old, new in zip(ids, changed, strict=True)] == [True, True, False, True]


def test_a_malformed_cell_is_an_error():
    with pytest.raises(ValueError, match="raw cell"):
        parse_lesson("01_a", "# %% [raw]\n# text\n")
