"""The command `course` answers, in the language asked for, with an exit code that can be used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import course_lib
from course_lib import cli
from course_lib import doctor as examination
from course_lib.exercises.record import Record
from course_lib.i18n import language


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.setenv("COURSE_LANG", "en")


def course(*arguments):
    return CliRunner().invoke(cli.app, arguments)


def report(monkeypatch, mark):
    found = examination.Report((examination.Finding(mark, "something"),))
    monkeypatch.setattr(examination, "doctor", lambda: found)


@pytest.mark.parametrize(("mark", "code"), [("✓", 0), ("!", 0), ("✗", 1)])
def test_doctor_prints_the_report_and_ends_with_its_verdict(monkeypatch, mark, code):
    report(monkeypatch, mark)
    answer = course("doctor")
    assert (answer.exit_code, answer.stdout.splitlines()[0]) == (code, f"{mark} something")


def test_progress_prints_the_exercises():
    answer = course("progress")
    assert answer.exit_code == 0
    assert answer.stdout.startswith("Exercises done: 0 of ")
    assert "· Welcome: Count how often each digit occurs" in answer.stdout


def test_version():
    answer = course("--version")
    assert (answer.exit_code, answer.stdout) == (0, f"course {course_lib.__version__}\n")


def test_lang_is_spoken_by_the_command_and_not_after_it(monkeypatch):
    spoken = []
    monkeypatch.setattr(examination, "doctor", lambda: spoken.append(language()) or examination.Report(()))
    assert course("--lang", "ja", "doctor").exit_code == 0
    assert course("doctor").exit_code == 0
    assert spoken == ["ja", "en"] and language() == "en"


def test_an_unknown_lang_names_the_five():
    answer = course("--lang", "fr", "doctor")
    said = " ".join(answer.stderr.replace("│", " ").split())
    assert answer.exit_code == 2 and "en, de, pt-BR, ja, zh-CN, not fr" in said


def test_without_a_command_help_is_shown():
    answer = course()
    assert "doctor" in answer.output and "progress" in answer.output


def test_a_terminal_without_the_letters_gets_the_rest():
    Record().add("welcome.count_digits")
    answer = subprocess.run(
        [sys.executable, "-m", "course_lib.cli", "progress"],
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        encoding="cp1252",
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "? Welcome: Count how often each digit occurs" in answer.stdout
