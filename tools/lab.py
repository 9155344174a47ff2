"""`make lab`: JupyterLab, in the reader's language, on the welcome notebook in that language.

JupyterLab's settings for the course lie in `.cache/lab`, so the reader's own JupyterLab keeps its
language, and a workspace with other notebooks does not come up here. Arguments are handed on to
`jupyter lab`, for example `--no-browser`; where port 8888 is taken, Jupyter says so and takes another.
"""

import json
import os
import sys
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


def command(code: str, folder: Path, arguments: list[str]) -> list[str]:
    """What to type to open the welcome notebook in the language `code`."""
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return [
        *(sys.executable, "-m", "jupyterlab"),
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
    arguments = command(code, folder, sys.argv[1:])
    os.execv(arguments[0], arguments)


if __name__ == "__main__":
    main()
