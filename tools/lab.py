"""`make lab`: JupyterLab, in the reader's language, on the welcome notebook in that language.

JupyterLab's settings for the course lie in `.cache/lab`, so the reader's own JupyterLab keeps its
language, and a workspace with other notebooks does not come up here. Arguments are handed on to
`jupyter lab`, for example `--no-browser`; where port 8888 is taken, Jupyter says so and takes another.
"""

import json
import os
import sys
import threading
from pathlib import Path

from course_lib.i18n import LANGUAGES, language, match

PROJECT = Path(__file__).resolve().parents[1]
LAB_FOLDER = PROJECT / ".cache" / "lab"  # a folder a language, so that two labs can run at once

# JupyterLab's names of its language packs.
LOCALES = {"en": "en", "de": "de_DE", "pt-BR": "pt_BR", "ja": "ja_JP", "zh-CN": "zh_CN"}


def settings(code: str) -> dict[str, dict[str, object]]:
    """JupyterLab's settings for readers of `code`: its language, and no question about news or updates."""
    return {
        "translation-extension/plugin": {"locale": LOCALES[code]},
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    }


def write_settings(code: str, folder: Path) -> None:
    """Write `settings(code)` below `folder`; other settings made in the lab stay as they are."""
    for plugin, values in settings(code).items():
        path = folder / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")


def options(code: str, folder: Path, arguments: list[str]) -> list[str]:
    """JupyterLab's options to open the welcome notebook in the language `code`."""
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return [
        f"--ServerApp.root_dir={PROJECT}",
        f"--LabApp.default_url=/lab/tree/notebooks/{code}/00_welcome.ipynb",
        f"--LabApp.user_settings_dir={folder / 'settings'}",
        f"--LabApp.workspaces_dir={folder / 'workspaces'}",
        *root,
        *arguments,
    ]


def main() -> None:
    wish = os.environ.get("COURSE_LANG", "").strip()
    if wish and match(wish) is None:
        sys.exit(f"COURSE_LANG={wish} is none of the course's languages: {', '.join(LANGUAGES)}.")
    code = language()
    os.chdir(PROJECT)
    welcome = Path("notebooks") / code / "00_welcome.ipynb"
    if not welcome.is_file():
        sys.exit(f"{welcome} is missing: `git restore {welcome}` brings it back.")
    folder = LAB_FOLDER / code
    write_settings(code, folder / "settings")
    # So that a terminal in the lab finds `course` and this Python.
    os.environ["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    )
    print(f"JupyterLab opens {welcome} ({LANGUAGES[code]}). Ctrl+C twice in this window ends it.", flush=True)
    run(options(code, folder, sys.argv[1:]))


def run(arguments: list[str]) -> None:
    """Run JupyterLab until it is ended, and leave nothing of it.

    A request that is under way at the end leaves the thread behind that read its file, for which Python would
    wait for ever (jupyterlab issue 10442): such threads are told to end.
    """
    from jupyterlab.labapp import LabApp

    try:
        LabApp.launch_instance(arguments)
    finally:
        for thread in threading.enumerate():
            if thread.name == "AnyIO worker thread":
                thread.stop()


if __name__ == "__main__":
    main()
