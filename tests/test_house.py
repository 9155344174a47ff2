"""The lock and what says the same, how all is run, what no file may name, and what course_lib declares."""

import ast
import re
import subprocess
import sys
import sysconfig
import tomllib
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from system_parts import course_files, require_torch
from tools import lock

PROJECT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (PROJECT / "requirements.txt").read_text(encoding="utf-8")
MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")
CUDA = re.compile(r"nvidia|cuda|cudnn|triton|\+cu\d", re.IGNORECASE)


def requirements(lines) -> list[Requirement]:
    return [Requirement(line) for line in lines if line.strip() and not line.lstrip().startswith("#")]


def names(listed: list[Requirement]) -> set[str]:
    return {canonicalize_name(requirement.name) for requirement in listed}


def conda(name: str) -> tuple[str, list[str]]:
    """The Python version and the pip requirements of a conda environment's file."""
    listed = yaml.safe_load((PROJECT / name).read_text(encoding="utf-8"))["dependencies"]
    (python,) = [
        entry.partition("=")[2] for entry in listed if isinstance(entry, str) and entry.startswith("python=")
    ]
    return python, [line for entry in listed if isinstance(entry, dict) for line in entry["pip"]]


def command_lines(name: str) -> list[str]:
    """The lines of a shell script that are neither empty nor a comment."""
    lines = map(str.strip, (PROJECT / name).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def recipe(target: str) -> list[str]:
    """What make runs for a target, as the Makefile has it."""
    (lines,) = re.findall(rf"^{target}:.*\n((?:\t.*\n)*)", MAKEFILE, re.MULTILINE)
    return [line.removeprefix("\t") for line in lines.splitlines()]


def tracked_texts():
    """Path and text of every text file that git has, or would have."""
    for name in course_files():
        path = PROJECT / name
        if path.suffix in {".gz", ".mo", ".npz", ".otf", ".png"} or not path.is_file():
            continue
        yield name, path.read_text(encoding="utf-8")


def test_the_lock_is_exact_and_holds_everything_that_was_asked_for():
    locked = requirements(LOCK.splitlines())
    assert all(re.fullmatch(r"==[\w.]+", str(requirement.specifier)) for requirement in locked)
    asked = requirements((PROJECT / "requirements.in").read_text(encoding="utf-8").splitlines())
    assert names(asked) <= names(locked)
    for requirement in asked:
        versions = [other for other in locked if names([other]) == names([requirement])]
        assert all(requirement.specifier.contains(str(other.specifier)[2:]) for other in versions)


def test_the_lock_names_neither_cuda_nor_an_address():
    assert [line for line in LOCK.splitlines() if line[:1].isalpha() and CUDA.search(line)] == []
    assert "://" not in LOCK and "--index" not in LOCK and "@" not in LOCK
    assert "==" in LOCK and CUDA.search("nvidia-cublas==13.0") and CUDA.search("torch==2.13.0+cu130")


def test_the_lock_is_what_is_installed_here():
    here = [line for line in requirements(LOCK.splitlines()) if not line.marker or line.marker.evaluate()]
    installed = {canonicalize_name(each.metadata["Name"]): each.version for each in metadata.distributions()}
    wrong = [
        f"{line}, not {installed.get(canonicalize_name(line.name))}"
        for line in here
        if not line.specifier.contains(installed.get(canonicalize_name(line.name), "0"))
    ]
    if "torch" not in installed:  # the set-up may go on without it: then the others are compared all the same
        assert [difference for difference in wrong if not difference.startswith("torch==")] == []
        require_torch()
    assert wrong == []


def test_conda_has_the_locks_versions_except_what_would_bring_cuda():
    _python, lines = conda("environment.yml")
    expected = lock.without_torch(lock.read_lock(LOCK))
    assert lines == expected
    (torch,) = [line for line in lock.read_lock(LOCK) if line.startswith("torch==")]
    assert torch not in lines
    assert (PROJECT / "environment.yml").read_text(encoding="utf-8") == lock.environment(LOCK)


def test_nothing_that_conda_installs_asks_for_pytorch():
    asking = []
    for requirement in requirements(conda("environment.yml")[1]):
        if requirement.marker and not requirement.marker.evaluate():
            continue
        for line in metadata.requires(requirement.name) or []:
            needed = Requirement(line)
            if needed.name == "torch" and (needed.marker is None or needed.marker.evaluate({"extra": ""})):
                asking.append(str(requirement))
    assert asking == []


def test_conda_binder_and_the_package_want_the_same_python():
    wanted = SpecifierSet(PYPROJECT["project"]["requires-python"])
    assert [conda(name)[0] for name in ("environment.yml", "binder/environment.yml")] == ["3.11", "3.11"]
    assert wanted.contains("3.11.9") and not wanted.contains("3.12.0") and not wanted.contains("3.10.14")


def test_binder_is_filled_from_the_one_lock():
    assert conda("binder/environment.yml")[1] == []
    script = PROJECT / "binder" / "postBuild"
    assert script.read_text(encoding="utf-8").startswith("#!/bin/sh\n")
    assert command_lines("binder/postBuild") == [
        "set -eu",
        'sh tools/setup.sh "${NB_PYTHON_PREFIX:-$CONDA_PREFIX}"',
    ]
    assert script.stat().st_mode & 0o111
    assert sorted(path.name for path in script.parent.iterdir()) == [
        "apt.txt",
        "environment.yml",
        "postBuild",
    ]


@pytest.mark.parametrize(
    "name", [".ci/run", "tools/setup.sh", "binder/postBuild"], ids=lambda name: name.rpartition("/")[2]
)
def test_shell_scripts_end_at_the_first_failure(name):
    text = (PROJECT / name).read_text(encoding="utf-8")
    shell = "bash" if text.startswith("#!/usr/bin/env bash") else "sh"
    assert ("set -euo pipefail" if shell == "bash" else "set -eu") in text
    subprocess.run([shell, "-n", name], cwd=PROJECT, check=True)


def test_every_make_target_says_what_it_does():
    targets = set(re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)[1].split())
    helped = subprocess.run(["make", "help"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in helped.splitlines()} == targets
    assert targets >= {
        "lab",
        "test",
        "notebooks",
        "translation-status",
        "benchmarks",
        "fuzz",
        "lock",
        "clean",
    }


def test_no_failure_of_a_recipe_is_hidden():
    recipes = [line for line in MAKEFILE.splitlines() if line.startswith("\t")]
    assert recipes and not [line for line in recipes if "|" in line or ";" in line]
    assert not [line for line in recipes if re.match(r"\t[\s@+]*-", line)], "a dash lets make go on"
    assert not re.search(r"^\.(IGNORE|SILENT|ONESHELL)\b|MAKEFLAGS", MAKEFILE, re.MULTILINE)


def test_make_test_and_make_lint_run_everything():
    assert recipe("test") == ["@$(PYTHON) -m pytest -n 2 --dist loadfile"]
    assert recipe("lint") == ["@$(PYTHON) -m ruff check", "@$(PYTHON) -m ruff format --check"]


def test_pytest_finds_notebooks_and_doctests_and_bounds_their_time():
    options = PYPROJECT["tool"]["pytest"]["ini_options"]
    assert options["testpaths"] == ["tests", "course_lib", "tools", "benchmarks", "notebooks"]
    assert set(options["addopts"]) >= {
        "--strict-config",
        "--strict-markers",
        "--doctest-modules",
        "--nbval",
        "--nbval-current-env",
        "--nbval-cell-timeout=600",
        "--nbval-sanitize-with=tests/nbval_sanitize.cfg",
    }
    leaving_out = re.compile(r"-[km]\b|--(ignore|deselect|nbval-lax|exitfirst|maxfail|lf|last|ff|sw)|no:")
    assert [option for option in options["addopts"] if leaving_out.match(option)] == []
    assert not {"norecursedirs", "python_files", "python_functions", "python_classes"} & set(options)
    assert options["timeout"] == 1200
    # Any of these would be read in pyproject.toml's place.
    others = ("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml")
    assert [name for name in others if (PROJECT / name).exists()] == []


def test_ci_runs_the_tests_and_the_linters_and_hides_nothing():
    lines = command_lines(".ci/run")
    assert lines[0] == "set -euo pipefail" and "export CI=true" in lines
    assert lines[-2:] == ["make test", "make lint"]
    hiding = re.compile(r"\|\|\s*(true|:)|set \+|\bexit 0|< <\(|^(unset|export) CI(?!=true$)|^CI=")
    assert [line for line in lines if hiding.search(line)] == []
    assert hiding.search("make test || true") and hiding.search("mapfile < <(list)")


def test_what_make_runs_is_there():
    modules = re.findall(r"\$\(PYTHON\) -m ([\w.]+)", MAKEFILE)
    assert {"tools.lab", "tools.notebooks", "pytest"} <= set(modules)
    assert [name for name in modules if find_spec(name) is None] == []


def test_course_lib_declares_what_it_imports():
    brought_by = metadata.packages_distributions()
    imported = set()
    for path in (PROJECT / "course_lib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.partition(".")[0])
    imported -= set(sys.stdlib_module_names) | {"course_lib"}
    declared = names(requirements(PYPROJECT["project"]["dependencies"]))
    missing = {
        name for name in imported if not declared & set(map(canonicalize_name, brought_by.get(name, [])))
    }
    assert "numpy" in imported and missing == set()
    assert declared <= names(requirements(LOCK.splitlines()))


def test_no_file_names_a_package_indexs_address_or_a_home():
    indexes = [r"(?:py" + r"pi|pythonhosted)\.org", r"registry\.npm" + "js", r"download\.py" + "torch"]
    options = [r"--(?:extra-)?index-url", "--find-link[s]", "npm_config_registr[y]"]
    settings = [r"(?:PIP|UV)_(?:EXTRA_)?INDEX_URL", r"UV_(?:DEFAULT_)?INDEX\b", "(?:PIP|UV)_FIND_LINK[S]"]
    homes = [re.escape(f"{folder}/") for folder in (PROJECT, Path.home())]
    forbidden = re.compile("|".join(indexes + options + settings + homes), re.IGNORECASE)
    for noticed in ("--extra-index" + "-url=x", "--index" + "-url x", "PIP_INDEX" + "_URL=x"):
        assert forbidden.search(noticed)
    assert not forbidden.search("--no-emit-index-url")
    found = [f"{name}: {match[0]}" for name, text in tracked_texts() for match in forbidden.finditer(text)]
    assert found == []


def test_the_citation_and_the_licences_say_the_same():
    citation = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PYPROJECT["project"]["version"] == metadata.version("course-lib")
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["license"] == [PYPROJECT["project"]["license"], "CC-BY-4.0"]
    assert (PROJECT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    assert "SPDX-License-Identifier: CC-BY-4.0" in (PROJECT / "LICENSE-prose").read_text(encoding="utf-8")


def test_commit_hooks_fetch_nothing():
    hooks = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repository["repo"] for repository in hooks["repos"]] == ["local"]
    assert {hook["language"] for hook in hooks["repos"][0]["hooks"]} == {"system"}


def test_what_commit_hooks_name_is_there():
    (local,) = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    words = [word for hook in local["hooks"] for word in hook["entry"].split() if "/" in word]
    programs = [word.removeprefix(".venv/bin/") for word in words if word.startswith(".venv/bin/")]
    scripts = Path(sysconfig.get_path("scripts"))
    assert {"python", "ruff"} == set(programs) and all((scripts / name).exists() for name in programs)
    paths = [word for word in words if not word.startswith(".venv/")]
    assert paths and [path for path in paths if not (PROJECT / path).is_file()] == []
    for chosen in filter(None, (hook.get("files") for hook in local["hooks"])):
        folders = re.fullmatch(r"\^\(([\w|]+)\)/", chosen)[1].split("|")
        assert [folder for folder in folders if not (PROJECT / folder).is_dir()] == []
