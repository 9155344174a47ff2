"""What is missing here is skipped for a learner and fails on a server."""

import subprocess
from contextlib import contextmanager

import pytest

import system_parts
from system_parts import course_files, require, require_torch

OUTCOMES = {"true": pytest.fail.Exception, None: pytest.skip.Exception, "false": pytest.skip.Exception}


@pytest.fixture(params=OUTCOMES, ids=lambda ci: f"CI={ci}")
def outcome(request, monkeypatch):
    """What a test without its part comes to, where CI has this value."""
    monkeypatch.delenv("CI", raising=False)
    if request.param is not None:
        monkeypatch.setenv("CI", request.param)
    return OUTCOMES[request.param]


@contextmanager
def comes_to(outcome, reason: str):
    """Either outcome is caught, and compared: a skip that slips through would only skip the test here."""
    with pytest.raises((pytest.fail.Exception, pytest.skip.Exception), match=reason) as caught:
        yield
    assert caught.type is outcome


def test_a_program_that_is_missing(outcome):
    with comes_to(outcome, "no-such-program"):
        require("no-such-program")


def test_a_pytorch_that_is_missing(outcome, monkeypatch):
    monkeypatch.setattr(system_parts, "find_spec", lambda name: None)
    with comes_to(outcome, "torch"):
        require_torch()


def test_a_folder_that_git_does_not_know(outcome, monkeypatch, tmp_path):
    monkeypatch.setattr(system_parts, "PROJECT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with comes_to(outcome, "needs a git repository"):
        course_files()


def test_a_repository_without_files(outcome, monkeypatch, tmp_path):
    subprocess.run([require("git"), "init", "--quiet", str(tmp_path)], check=True)
    monkeypatch.setattr(system_parts, "PROJECT", tmp_path)
    with comes_to(outcome, "no files"):
        course_files()


def test_what_is_there_is_found():
    assert require("sh").endswith("sh")
    assert {"README.md", "tests/test_system_parts.py"} <= set(course_files())
