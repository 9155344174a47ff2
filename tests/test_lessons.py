"""The lessons' sources: their form and tags; every exercise can be solved, and is not solved yet."""

from collections import Counter
from pathlib import PurePosixPath

import pytest

from course_lib import exercises
from course_lib.i18n import LANGUAGES, use_language
from system_parts import course_files
from tools import exercise_cells
from tools.check_lessons import (
    NEEDS_A_REASON,
    REASONS,
    SETUP_TAGS,
    code_complaints,
    exercise_complaints,
    lesson_complaints,
    outcomes,
    path_complaints,
    prose_complaints,
    tag_complaints,
)
from tools.layout import HERE
from tools.lessons import Lesson, parse_lesson, read_lesson

LESSONS = [read_lesson(path) for path in HERE.lesson_files()]
every_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=[lesson.name for lesson in LESSONS])

# The cells that nbval runs without comparing what they show, and how many there are of each. Whoever adds one
# adds it here, and what it states to tests/claims.
NOT_COMPARED = {
    ("00_welcome", "nbval-ignore-output", "reason:machine"): 2,
    ("01_visualize_results", "nbval-ignore-output", "reason:machine"): 2,
    ("01_visualize_results", "nbval-ignore-output", "reason:timing"): 1,
    ("02_serve_models", "nbval-ignore-output", "reason:machine"): 3,
    ("02_serve_models", "nbval-ignore-output", "reason:progress"): 1,
    ("02_serve_models", "nbval-ignore-output", "reason:timing"): 1,
    ("03_what_models_leak", "nbval-ignore-output", "reason:progress"): 3,
    ("03_what_models_leak", "nbval-ignore-output", "reason:timing"): 1,
    ("03_what_models_leak", "nbval-ignore-output", "reason:training"): 8,
    ("04_pate", "nbval-ignore-output", "reason:progress"): 3,
    ("04_pate", "nbval-ignore-output", "reason:timing"): 1,
    ("04_pate", "nbval-ignore-output", "reason:training"): 6,
    ("05_encrypted_inference", "nbval-ignore-output", "reason:machine"): 1,
    ("05_encrypted_inference", "nbval-ignore-output", "reason:progress"): 1,
    ("05_encrypted_inference", "nbval-ignore-output", "reason:random"): 1,
    ("05_encrypted_inference", "nbval-ignore-output", "reason:timing"): 2,
    ("06_encrypted_network", "nbval-ignore-output", "reason:machine"): 1,
    ("06_encrypted_network", "nbval-ignore-output", "reason:progress"): 2,
    ("06_encrypted_network", "nbval-ignore-output", "reason:timing"): 2,
    ("06_encrypted_network", "nbval-ignore-output", "reason:training"): 2,
    ("07_secret_sharing", "nbval-ignore-output", "reason:random"): 2,
    ("07_secret_sharing", "nbval-ignore-output", "reason:timing"): 1,
    ("07_secret_sharing", "nbval-ignore-output", "reason:training"): 1,
    ("08_private_prediction_train", "nbval-ignore-output", "reason:progress"): 1,
    ("08_private_prediction_train", "nbval-ignore-output", "reason:timing"): 1,
    ("08_private_prediction_train", "nbval-ignore-output", "reason:training"): 4,
    ("09_private_prediction_serve", "nbval-ignore-output", "reason:machine"): 2,
    ("09_private_prediction_serve", "nbval-ignore-output", "reason:progress"): 2,
    ("09_private_prediction_serve", "nbval-ignore-output", "reason:random"): 1,
    ("09_private_prediction_serve", "nbval-ignore-output", "reason:timing"): 1,
    ("10_private_prediction_query", "nbval-ignore-output", "reason:machine"): 1,
    ("10_private_prediction_query", "nbval-ignore-output", "reason:random"): 1,
    ("10_private_prediction_query", "nbval-ignore-output", "reason:timing"): 2,
    ("10_private_prediction_query", "nbval-ignore-output", "reason:training"): 1,
    ("11_remote_data_science", "nbval-ignore-output", "reason:machine"): 1,
    ("11_remote_data_science", "nbval-ignore-output", "reason:random"): 2,
    ("11_remote_data_science", "nbval-ignore-output", "reason:timing"): 1,
}

SMALL = """\
# %% tags=["imports"]
from course_lib.exercises import check
import numpy as np

# %% tags=["exercise"]
def count_digits(labels):
    ### BEGIN SOLUTION
    return np.bincount(labels, minlength=10)
    ### END SOLUTION


check("welcome.count_digits", count_digits)
"""


@pytest.fixture(autouse=True)
def home_of_nobody(tmp_path, monkeypatch):
    """Exercises solved by these tests are not the learner's."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))


def test_there_are_lessons():
    assert [lesson.name for lesson in LESSONS][0] == "00_welcome"


@every_lesson
def test_a_lesson_has_the_form_of_a_lesson(lesson: Lesson):
    assert lesson_complaints(lesson) == []


def test_outputs_are_left_uncompared_only_where_it_was_agreed():
    left_out = Counter(
        (lesson.name, tag, reason)
        for lesson in LESSONS
        for cell in lesson.cells
        for tag in sorted(NEEDS_A_REASON & set(cell.tags))
        for reason in sorted(REASONS & set(cell.tags))
    )
    assert left_out == NOT_COMPARED, "a cell more, or fewer, whose output no test compares"


@every_lesson
def test_every_solution_passes_and_every_blank_fails(lesson: Lesson):
    assert exercise_complaints(lesson) == []


@every_lesson
@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_every_blank_is_answered_with_a_hint_in_the_readers_language(lesson: Lesson, language: str):
    setup = [cell.source for cell in lesson.cells if SETUP_TAGS & set(cell.tags)]
    for exercise in map(exercise_cells.blank, lesson.exercises):
        with use_language("en"):
            english = [outcome.hint for outcome in outcomes(setup, exercise)]
        with use_language(language):
            translated = [outcome.hint for outcome in outcomes(setup, exercise)]
        assert all(english) and all(translated)
        assert all(ours != theirs for ours, theirs in zip(english, translated, strict=True))


def test_every_exercise_with_a_check_stands_in_a_lesson():
    written = [code for lesson in LESSONS for code in lesson.exercises]
    asked = {name for code in written for name in exercise_cells.check_names(code)}
    assert {task.name for task in exercises.progress().exercises} == asked


def test_paths_are_ascii_and_short():
    assert path_complaints(map(PurePosixPath, course_files())) == []


# Each check is shown what it is there to notice.


def test_a_wrong_solution_is_noticed():
    lesson = parse_lesson("00_small", SMALL)
    assert exercise_complaints(lesson) == []
    wrong = parse_lesson("00_small", SMALL.replace("minlength=10)", "minlength=10) + 1"))
    assert "does not pass" in exercise_complaints(wrong)[0]


def test_a_blank_that_passes_is_noticed():
    given_away = SMALL.replace("    ### BEGIN", "    return np.bincount(labels, minlength=10)\n    ### BEGIN")
    assert "blank" in exercise_complaints(parse_lesson("00_small", given_away))[0]


def test_an_exercise_that_is_never_checked_is_noticed():
    unchecked = SMALL.replace('check("welcome.count_digits", count_digits)', "")
    assert "calls no check" in exercise_complaints(parse_lesson("00_small", unchecked))[0]


def test_an_exercise_that_needs_an_untagged_cell_is_noticed():
    found = exercise_complaints(parse_lesson("00_small", SMALL.replace(' tags=["imports"]', "")))
    assert "could not be run: KeyError: 'check'" in found[0]


def test_too_few_and_too_many_cells_are_noticed():
    assert "has 2 cells" in lesson_complaints(parse_lesson("00_small", SMALL))[0]
    many = parse_lesson("00_small", "\n".join(f"# %%\nx = {number}" for number in range(36)))
    assert "has 36 cells" in lesson_complaints(many)[0]
    assert "has no exercise" in lesson_complaints(many)[1]


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("x = 1\n" * 25 + "x", "26 lines"),
        ("_(f'{x} rows')", "cannot be translated"),
        ("_('')", "an empty message"),
        ("%matplotlib inline", "not plain Python"),
        ("x = 1\n# NBVAL_SKIP", "a tag says this, not a comment: NBVAL_SKIP"),
        ("#PYTEST_VALIDATE_IGNORE_OUTPUT\nx", "a tag says this"),
    ],
)
def test_faults_of_code_are_noticed(code, complaint):
    assert complaint in code_complaints(code)[0]


@pytest.mark.parametrize(
    ("markdown", "count"),
    [
        ("a <b>c</b>", 2),
        ("<div>", 1),
        ("a\n$$\nx\n$$", 1),
        ("a\n\n$$\nx\n$$\nb\n\n$$ y $$", 0),
        ("a\n$$ y $$", 1),
        ("a `<b>` $x < y$", 0),
    ],
)
def test_faults_of_prose_are_noticed(markdown, count):
    assert len(prose_complaints(markdown)) == count


@pytest.mark.parametrize(
    ("tags", "count"),
    [
        (["nbval-ignore-output"], 1),
        (["nbval-ignore-output", "reason:timing"], 0),
        (["nbval-skip", "reason:timing"], 2),
        (["reason:timing"], 1),
        (["nbval-ignore-outputs"], 1),
        (["nbval-ignore-output", "reason:lazy"], 2),
        (["imports"], 0),
    ],
)
def test_tags_without_reason_are_noticed(tags, count):
    assert len(tag_complaints(tags)) == count


def test_long_and_foreign_paths_are_noticed():
    assert len(path_complaints([PurePosixPath("a" * 100), PurePosixPath("ü"), PurePosixPath("a" * 99)])) == 2
