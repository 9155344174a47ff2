"""``course mpc certificates``: what three parties on three machines need to trust each other."""

from pathlib import Path
from typing import Annotated

import typer

from course_lib.i18n import _

app = typer.Typer(no_args_is_help=True, help=_("Three parties that compute on shares."))


@app.callback()
def mpc() -> None:
    """So that `certificates` stays a word to type, however many commands there are."""


@app.command(
    help=_("Make FOLDER with tokens and certificates for alice, bob and carol at HOSTS (name:port).")
)
def certificates(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", show_default=False)],
    hosts: Annotated[list[str], typer.Argument(metavar="HOST HOST HOST", show_default=False)],
    days: Annotated[int, typer.Option(min=1, help=_("For how long the certificates are valid."))] = 365,
) -> None:
    """Make the folder and say where its parts go; exit with 2 and one sentence where the input is bad."""
    from course_lib.mpc.certificates import make_certificates
    from course_lib.mpc.spec import PARTIES

    try:
        make_certificates(folder, hosts, days=days)
    except (ValueError, OSError) as error:
        typer.echo(error, err=True)
        raise typer.Exit(code=2) from None
    for party, host in zip(PARTIES, hosts, strict=True):
        command = f"python -m course_lib.mpc.party {party} --host {host} --credentials {party}"
        typer.echo(_("{folder}: to the machine of {host}, for").format(folder=folder / party, host=host))
        typer.echo(f"    {command}")
    typer.echo(_("{folder}: stays with the owner of the model").format(folder=folder / "owner"))
    typer.echo(_("{folder}: to each client").format(folder=folder / "client"))
