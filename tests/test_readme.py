"""Every command, path and link in README.md and CONTRIBUTING.md is there."""

import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt
from typer.main import get_command

from course_lib.cli import app
from course_lib.i18n import LANGUAGES

PROJECT = Path(__file__).resolve().parents[1]
PAGES = ["README.md", "CONTRIBUTING.md"]
# What a word in a code span must look like to be taken for a path of this repository.
PATH = re.compile(r"\.?[\w.-]+(/[\w.*<>-]*)+|[\w-]+\.(md|toml|txt|yml|in|cff|sh|py)")
# Made by the commands themselves, and by the tests.
NOT_IN_THE_REPOSITORY = (".venv/", ".cache/screenshots")


def parts(page: str):
    """Links, pictures, code spans and code blocks of a page: (kind, text)."""
    tokens = MarkdownIt("commonmark").enable("table").parse((PROJECT / page).read_text(encoding="utf-8"))
    for token in tokens:
        if token.type == "fence":
            yield "code", token.content
        for child in token.children or []:
            if child.type == "code_inline":
                yield "code", child.content
            elif child.type == "link_open":
                yield "link", child.attrs["href"]
            elif child.type == "image":
                assert len(child.content) > 40, f"{page}: a picture without words for those who can't see it"
                yield "link", child.attrs["src"]


def commands(page: str, program: str) -> list[list[str]]:
    """What stands after `program` in the page's code, line by line."""
    lines = [line for kind, text in parts(page) if kind == "code" for line in text.splitlines()]
    return [line.split()[1:] for line in lines if line.split()[:1] == [program]]


def exists(path: str) -> bool:
    """Whether the path is there; `<language>` stands for each language, NN_topic for each lesson."""
    if path.startswith(NOT_IN_THE_REPOSITORY):
        return True
    pattern = re.sub(r"<language>|NN_topic", "*", path.rstrip("/"))
    return any(PROJECT.glob(pattern))


def found(module: str) -> bool:
    """Whether Python could run the module."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # so is the package around it
        return False


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    links = [text for kind, text in parts(page) if kind == "link"]
    own = [link for link in links if "://" not in link]
    assert links and [link for link in own if not (PROJECT / link.partition("#")[0]).is_file()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_path_is_there(page):
    words = [word for kind, text in parts(page) if kind == "code" for word in text.split()]
    paths = [word for word in words if PATH.fullmatch(word)]
    assert paths and [path for path in paths if not exists(path)] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_make_command_is_known_to_make(page):
    called = [arguments for arguments in commands(page, "make") if arguments]
    targets = re.search(r"^\.PHONY: (.+)$", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[
        1
    ]
    assert called and {arguments[0] for arguments in called} <= set(targets.split())
    for arguments in called:
        result = subprocess.run(["make", "-n", *arguments], cwd=PROJECT, capture_output=True, text=True)
        assert result.returncode == 0, f"make {' '.join(arguments)}: {result.stderr}"


@pytest.mark.parametrize("page", PAGES)
def test_every_course_command_is_known(page):
    called = {arguments[0] for arguments in commands(page, "course")}
    assert called <= set(get_command(app).commands)
    assert called or page != "README.md"


@pytest.mark.parametrize("page", PAGES)
def test_every_module_that_python_is_to_run_is_there(page):
    code = "\n".join(text for kind, text in parts(page) if kind == "code")
    modules = re.findall(r"\bpython[\d.]* -m (\S+)", code)
    assert modules or page != "CONTRIBUTING.md"
    assert [module for module in modules if not found(module)] == []


def test_the_conda_environment_has_one_name():
    name = yaml.safe_load((PROJECT / "environment.yml").read_text(encoding="utf-8"))["name"]
    called = commands("README.md", "conda")
    assert ["env", "create", "-f", "environment.yml"] in called
    assert [arguments[1:] for arguments in called if arguments[0] == "activate"] == [[name]]


def test_every_language_can_be_opened_here_and_on_binder():
    links = [text for kind, text in parts("README.md") if kind == "link"]
    notebooks = [f"notebooks/{code}/00_welcome.ipynb" for code in LANGUAGES]
    assert set(notebooks) <= set(links)
    binder = [
        re.fullmatch(r"https://mybinder\.org/v2/gh/([\w.-]+/[\w.-]+)/HEAD\?urlpath=lab/tree/(.+)", link)
        for link in links
        if "mybinder" in link
    ]
    assert [match[2] for match in binder] == notebooks
    assert len({match[1] for match in binder}) == 1, "the repository has one address"
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert all(f"`{code}`" in text and name in text for code, name in LANGUAGES.items())
