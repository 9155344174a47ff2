"""Checks answer with a hint and never raise; what is done is kept whole, whatever happens to it."""

import json
import multiprocessing
import os
import pkgutil
import re
import warnings
from datetime import date

import numpy as np
import pytest

from course_lib import exercises
from course_lib.exercises import record, registry
from course_lib.i18n import use_language


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """The learner's folder, empty; no warning passes unseen."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    with warnings.catch_warnings(), use_language("en"):
        warnings.simplefilter("error")
        yield tmp_path / "home"


def right(labels):
    return np.bincount(labels, minlength=10)


def broken(labels):
    raise ValueError("no `labels`\nhere")


LINE_OF_BROKEN = broken.__code__.co_firstlineno + 1


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (..., "in the place of the dots.*numpy.bincount"),
        (None, "in the place of the dots"),
        (lambda labels: ..., "in the place of the dots"),
        (lambda labels: None, "in the place of the dots"),
        (broken, f"Your code raised `ValueError: no 'labels' here` in line {LINE_OF_BROKEN}."),
        (lambda: 1, "Calling your code raised `TypeError: "),
        (42, "could not be compared .*not callable"),
        (lambda labels: np.bincount(labels), "never occurs has a count"),
        (lambda labels: np.zeros(10), "the digit 3 occurs three times"),
        (lambda labels: "ten", r"shape is \(\)"),
        (right, None),
    ],
)
def test_an_answer_gets_the_hint_that_fits(answer, hint):
    outcome = exercises.check("welcome.count_digits", answer)
    if hint is None:
        assert outcome and repr(outcome) == "✓ Correct: Count how often each digit occurs"
    else:
        assert not outcome
        assert "✗ Not yet: Count how often each digit occurs. Hint: " in repr(outcome)
        assert "\n" not in repr(outcome)

        assert re.search(hint, outcome.hint), outcome.hint


def test_every_blank_fails_and_is_not_recorded(home):
    for name in exercises._all_exercises():
        for blank in (..., None, lambda *arguments, **named: ...):
            outcome = exercises.check(name, blank)
            assert not outcome.right and outcome.hint
    assert not home.exists()


def test_an_interrupt_is_the_learners_own():
    def interrupted(labels):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exercises.check("welcome.count_digits", interrupted)


@pytest.mark.parametrize("name", ["welcome.nothing", "os.system", "", "welcome"])
def test_an_unknown_name_is_an_error_that_lists_the_known(name):
    with pytest.raises(ValueError, match="One of the exercises welcome.count_digits, "):
        exercises.check(name, right)


def test_an_exercise_is_named_after_its_module():
    with pytest.raises(ValueError, match="'test_exercises.exercise', not 'welcome.other'"):
        registry.exercise("welcome.other", title="Other")(lambda answer: None)


def test_every_module_with_exercises_is_a_topic():
    machinery = {"outcome", "record", "registry"}
    assert {module.name for module in pkgutil.iter_modules(exercises.__path__)} - machinery == set(
        exercises.TOPICS
    )


def test_progress_shows_what_was_solved_and_when(home):
    assert "Exercises done: 0 of" in repr(exercises.progress())
    exercises.check("welcome.count_digits", right)
    exercises.check("welcome.count_digits", ...)  # once solved stays solved
    shown = exercises.progress()
    today = date.today().isoformat()
    assert f"✓ Welcome: Count how often each digit occurs {today}" in repr(shown).splitlines()
    assert any(line.startswith("· Predict on encrypted data: ") for line in repr(shown).splitlines())
    assert f"| ✓ | Welcome | Count how often each digit occurs | {today} |" in shown._repr_markdown_()
    assert os.listdir(home) and not [name for name in os.listdir(home) if name.endswith(".new")]


def test_outcome_and_progress_speak_the_language_they_are_shown_in(monkeypatch):
    monkeypatch.setattr("course_lib.exercises.outcome._", lambda message: f"«{message}»")
    assert "«Count how often each digit occurs»" in repr(exercises.check("welcome.count_digits", right))
    assert "| «Welcome» | «Count how often each digit occurs» |" in exercises.progress()._repr_markdown_()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"done": {"a": "yesterday"}}', '{"done": {"a": 3}}', "\xff"]
)
def test_a_damaged_record_is_told_put_aside_and_replaced(home, content):
    home.mkdir()
    path = home / "exercises.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.warns(record.RecordWarning, match="exercises.json is damaged"):
        assert "0 of" in repr(exercises.progress())
    assert path.read_bytes() == content.encode("latin-1")  # reading never changes it
    with pytest.warns(record.RecordWarning, match=r"put aside as .*exercises\.json\.broken"):
        assert exercises.check("welcome.count_digits", right)
    assert (home / "exercises.json.broken").read_bytes() == content.encode("latin-1")
    assert list(json.loads(path.read_text())["done"]) == ["welcome.count_digits"]


def test_a_folder_that_cannot_be_written_is_told_and_the_answer_still_counts(home):
    home.write_text("a file where the folder should be")
    with pytest.warns(record.RecordWarning, match="could not be kept in .*exercises.json"):
        assert exercises.check("welcome.count_digits", right)


def test_a_lock_that_never_opens_is_told_within_a_bound(monkeypatch, home):
    monkeypatch.setattr(record, "_LONGEST_WAIT", 0.1)
    home.mkdir()
    with (
        record.FileLock(f"{home}/exercises.json.lock"),
        pytest.warns(record.RecordWarning, match="could not be kept"),
    ):
        assert exercises.check("welcome.count_digits", right)


def test_a_crash_while_writing_leaves_the_old_record(monkeypatch, home):
    record.Record().add("welcome.count_digits")

    def crash(*arguments, **named):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(record.json, "dump", crash)
        record.Record().add("encrypted_inference.decode")
    assert list(record.Record().done()) == ["welcome.count_digits"]
    assert sorted(os.listdir(home)) == ["exercises.json", "exercises.json.lock"]


def add_many(prefix):
    for number in range(20):
        record.Record().add(f"{prefix}.{number}")


def test_two_kernels_at_once_lose_nothing():
    context = multiprocessing.get_context("spawn")
    kernels = [context.Process(target=add_many, args=(prefix,)) for prefix in ("a", "b", "c")]
    for kernel in kernels:
        kernel.start()
    for kernel in kernels:
        kernel.join(60)
        assert kernel.exitcode == 0
    assert len(record.Record().done()) == 60
