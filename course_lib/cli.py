"""The command ``course``: what a learner may ask for in a terminal.

``course doctor`` looks whether the machine is ready and ends with exit code 1 when something has to be
mended, ``course progress`` shows which exercises are done, ``course pate analyse`` states what votes cost in
privacy, ``course mpc certificates`` makes what three parties on three machines need, ``course app`` serves
the app that shows people how good a model is. All speak the reader's language, or the one that ``--lang``
names. (The help texts speak the language that the environment chooses.)
"""

import sys
import warnings
from typing import Annotated

import typer

from course_lib import __version__
from course_lib.i18n import LANGUAGES, _, use_language
from course_lib.pate import cli as pate
from course_lib.visualize import cli as visualize

with warnings.catch_warnings():  # that this machine has no engine is no news for every other command
    warnings.simplefilter("ignore")
    from course_lib.mpc import cli as mpc

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they would show the values of local variables
    help=_("What the course can do in a terminal."),
)
app.add_typer(mpc.app, name="mpc")
app.add_typer(pate.app, name="pate")
app.command("app", help=_("Serve the app that shows people how good a model is, on this machine."))(
    visualize.app
)


def _speak(context: typer.Context, code: str | None) -> None:
    if code is None:
        return
    if code not in LANGUAGES:
        message = _("expected one of the languages {known}, not {code}")
        raise typer.BadParameter(message.format(known=", ".join(LANGUAGES), code=code))
    context.find_root().with_resource(use_language(code))


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"course {__version__}")
        raise typer.Exit


@app.callback()
def course(
    language: Annotated[
        str | None,
        typer.Option(
            "--lang",
            callback=_speak,
            is_eager=True,
            metavar="CODE",
            help=_("Speak this language: {known}.").format(known=", ".join(LANGUAGES)),
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help=_("Show the version."))
    ] = False,
) -> None:
    """Prepare the output; the callbacks of the options have done the rest."""
    sys.stdout.reconfigure(errors="replace")  # a terminal without the letters shows "?" for them


@app.command(help=_("Look whether this machine is ready for the course, and say what to mend."))
def doctor() -> None:
    """Print the report; exit with 1 when something has to be mended."""
    from course_lib.doctor import doctor

    report = doctor()
    typer.echo(str(report))
    if not report.well:
        raise typer.Exit(code=1)


@app.command(help=_("Show which exercises are done."))
def progress() -> None:
    """Print the table of exercises."""
    from course_lib.exercises import progress

    typer.echo(str(progress()))


if __name__ == "__main__":
    app(prog_name="course")
