"""``course app``: the app that shows people how good a model is, in the browser."""

import os
import sys
from typing import Annotated

import typer

from course_lib.i18n import LANGUAGES, _, language, use_language

# `app.run` imports nothing that takes long: Streamlit itself is imported when it is started.
from course_lib.visualize.app.run import DEFAULT_PORT


def has_desktop() -> bool:
    """Whether there is somebody at a terminal, with a screen on which a browser can open."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    return sys.platform in ("darwin", "win32") or bool({"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ))


def app(
    port: Annotated[int, typer.Option(help=_("The port on this machine."), min=1, max=65535)] = DEFAULT_PORT,
    lang: Annotated[
        str | None,
        typer.Option(
            metavar="CODE", help=_("Speak this language: {known}.").format(known=", ".join(LANGUAGES))
        ),
    ] = None,
    browser: Annotated[
        bool | None, typer.Option(help=_("Open it in a browser; by default where there is a desktop."))
    ] = None,
) -> None:
    """Serve the app until Ctrl+C; exit with 2 and one sentence where the input is bad or the port taken."""
    from course_lib.processes import HOST, require_free
    from course_lib.visualize.app.run import run

    if lang is not None and lang not in LANGUAGES:
        message = _("expected one of the languages {known}, not {code}")
        raise typer.BadParameter(message.format(known=", ".join(LANGUAGES), code=lang))
    spoken = lang or language()
    with use_language(spoken):
        try:
            require_free(port, _("the app"))
        except RuntimeError as error:
            typer.echo(error, err=True)
            raise typer.Exit(code=2) from None
        typer.echo(_("The app: {address}").format(address=f"http://{HOST}:{port}/?lang={spoken}"))
        typer.echo(_("Ctrl+C ends it."))
    os.environ["COURSE_LANG"] = spoken  # for visitors whose address names no language
    run(port, browser=has_desktop() if browser is None else browser)
