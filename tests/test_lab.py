"""`make lab` brings up a real JupyterLab that speaks the language asked for, on that language's welcome."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from playwright.sync_api import sync_playwright

from course_lib.i18n import LANGUAGES
from system_parts import require
from tools.lab import LOCALES, write_settings

PROJECT = Path(__file__).resolve().parents[1]
SECONDS_TO_START = 120


@contextmanager
def lab(folder: Path, *arguments: str, **environment: str):
    """The address that a JupyterLab started by `make lab`'s own command prints."""
    log = folder / "lab.log"
    languages = ("COURSE_LANG", "LANG", "LC_")
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith(languages)}
    surroundings |= {"HOME": str(folder), "JUPYTER_RUNTIME_DIR": str(folder / "runtime")} | environment
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tools.lab", "--no-browser", *arguments],
            cwd=PROJECT,
            env=surroundings,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + SECONDS_TO_START
        while not (found := re.search(r"http://127\.0\.0\.1:\S+token=\w+", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, f"no address in {SECONDS_TO_START} seconds: {log.read_text()}"
            time.sleep(0.1)
        yield found[0]
    finally:
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        try:
            process.wait(timeout=30)
            _gone, left = psutil.wait_procs(family, timeout=10)
            assert left == []
        finally:
            process.kill()  # harmless where it has ended
            process.wait()


def test_every_language_has_its_language_pack():
    assert list(LOCALES) == list(LANGUAGES)
    for locale in set(LOCALES.values()) - {"en"}:
        pack = (
            files(f"jupyterlab_language_pack_{locale}")
            / "locale"
            / locale
            / "LC_MESSAGES"
            / "jupyterlab.json"
        )
        assert pack.is_file(), pack


def test_settings_made_in_the_lab_stay_as_they_are(tmp_path):
    theirs = tmp_path / "@jupyterlab" / "apputils-extension" / "themes.jupyterlab-settings"
    theirs.parent.mkdir(parents=True)
    theirs.write_text('{"theme": "JupyterLab Dark"}')
    write_settings("ja", tmp_path)
    write_settings("de", tmp_path)
    assert theirs.read_text() == '{"theme": "JupyterLab Dark"}'
    chosen = tmp_path / "@jupyterlab" / "translation-extension" / "plugin.jupyterlab-settings"
    assert json.loads(chosen.read_text()) == {"locale": "de_DE"}


def test_the_japanese_lab_speaks_japanese_asks_nothing_and_opens_the_japanese_welcome(tmp_path):
    chromium = require("chromium")
    with lab(tmp_path, COURSE_LANG="ja") as address, sync_playwright() as playwright:
        assert urlsplit(address).path == "/lab/tree/notebooks/ja/00_welcome.ipynb"
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            page = browser.new_page()
            page.goto(address, timeout=90_000)
            page.get_by_role("menuitem", name="ファイル", exact=True).wait_for(timeout=90_000)
            page.get_by_role("tab", name="00_welcome.ipynb").first.wait_for(timeout=90_000)
            page.locator(".jp-Notebook .jp-MarkdownOutput h1").first.wait_for(timeout=90_000)
            assert page.locator(".jp-Dialog").count() == 0
        finally:
            browser.close()


def test_a_lab_that_is_ended_while_a_kernel_starts_leaves_nothing(tmp_path):
    """Whoever closes the browser early must not be left with a process that no signal but KILL ends."""
    chromium = require("chromium")
    with lab(tmp_path) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            page = browser.new_page()
            with page.expect_response(_starts_a_kernel, timeout=90_000):
                page.goto(address, timeout=90_000)
        finally:
            browser.close()


def _starts_a_kernel(response) -> bool:
    return response.request.method == "POST" and urlsplit(response.url).path == "/api/sessions"


@pytest.mark.parametrize(("system", "code"), [("de_AT.UTF-8", "de"), ("fr_FR.UTF-8", "en")])
def test_without_a_wish_the_lab_speaks_the_systems_language_and_a_taken_port_is_no_hindrance(
    tmp_path, system, code
):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with lab(tmp_path, f"--port={port}", LANG=system) as address:
            parts = urlsplit(address)
            assert parts.port != port and parts.path == f"/lab/tree/notebooks/{code}/00_welcome.ipynb"
            settings = (
                f"{parts.scheme}://{parts.netloc}/lab/api/settings/@jupyterlab/translation-extension:plugin"
            )
            answer = httpx.get(f"{settings}?{parts.query}", timeout=60, trust_env=False)
            assert answer.json()["settings"]["locale"] == LOCALES[code]
