"""``course pate analyse``: what a table of votes costs in privacy, every ε under its own name.

``course pate ledger``: what was spent, use by use of the votes, if the ledger is what was written.

Leaves out drawing the noise of a release, which is done once and by the one who answers for it:
`course_lib.pate.accounting.smooth_sensitivity.sanitised_epsilon`.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from course_lib.i18n import _, number

if TYPE_CHECKING:
    import numpy as np

    from course_lib.pate.accounting import Analysis
    from course_lib.pate.accounting.analysis import DataDependent

app = typer.Typer(no_args_is_help=True, help=_("PATE: learn from private data by noisy votes."))


def read_votes(path: Path) -> "np.ndarray":
    """The table in a ``.npy`` file, or the one named `votes` in a ``.npz`` file; nothing is unpickled.

    Raises ValueError where the file is missing, cut off, or holds something else.
    """
    import numpy as np

    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return np.atleast_1d(content)
        with content:
            return np.atleast_1d(content["votes"])
    except Exception as error:  # NumPy's readers fail in many ways on a damaged file
        message = _("{path} holds no table of votes that can be read: {reason}")
        raise ValueError(message.format(path=path, reason=error)) from error


@app.callback()
def pate() -> None:
    """So that `analyse` stays a word to type, however many commands there are."""


@app.command(help=_("State what the votes in VOTES (.npy, queries x classes) cost in privacy."))
def analyse(
    votes: Annotated[Path, typer.Argument(metavar="VOTES", show_default=False)],
    sigma: Annotated[float, typer.Option(help=_("Standard deviation of the noise on each vote count."))],
    delta: Annotated[float, typer.Option(help=_("The δ of (ε, δ)."))],
    threshold: Annotated[
        float | None, typer.Option(help=_("Confident-GNMax: answer where the noisy top count reaches this."))
    ] = None,
    sigma_threshold: Annotated[
        float | None,
        typer.Option(help=_("Confident-GNMax: standard deviation of the noise on the top count.")),
    ] = None,
    queries: Annotated[int | None, typer.Option(help=_("Analyse so many rows, from the first."))] = None,
    data_independent: Annotated[
        bool, typer.Option("--data-independent", help=_("State only what holds whatever the votes are."))
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=_("Write JSON."))] = False,
) -> None:
    """Print the analysis; exit with 2 and one sentence where the input is bad."""
    from course_lib.pate import accounting

    try:
        table = read_votes(votes)
        if queries is not None and not 1 <= queries <= len(table):
            message = _("{queries} queries were asked for, but {path} has {rows} rows.")
            raise ValueError(message.format(queries=queries, path=votes, rows=len(table)))
        found = accounting.analyse(
            table[:queries],
            sigma=sigma,
            delta=delta,
            threshold=threshold,
            sigma_threshold=sigma_threshold,
            data_dependent=not data_independent,
        )
    except ValueError as error:
        typer.echo(error, err=True)
        raise typer.Exit(code=2) from None
    if as_json:
        typer.echo(json.dumps(as_record(found, sigma=sigma, delta=delta)))
        return
    typer.echo("\n".join(as_lines(found, delta=delta, confident=threshold is not None)))


@app.command(help=_("Check the privacy ledger in FILE, and show it use by use of the votes."))
def ledger(
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False)],
    head: Annotated[
        Path | None,
        typer.Option(
            help=_("Where the ledger's head file lies, if not beside the ledger."), show_default=False
        ),
    ] = None,
) -> None:
    """Print the entries and what is spent; exit with 2 and one sentence where the ledger is damaged."""
    from course_lib.pate.ledger import Ledger

    try:
        found = Ledger.open(file, head=head)
    except ValueError as error:
        typer.echo(error, err=True)
        raise typer.Exit(code=2) from None
    for count, entry in enumerate(found.entries, start=1):
        event = entry.event
        line = (
            f"{count:>6}  {entry.time}  {entry.mechanism:<16}  {event.what:<6}  {event.noise} {event.scale:g}"
        )
        typer.echo(f"{line:<68}  ε = {number(entry.epsilon, 3)}")
    typer.echo(str(found))


def as_record(found: "Analysis", *, sigma: float, delta: float) -> dict:
    """The analysis as JSON has it: numbers, under names that say which ε is which.

    Everything in `data_dependent` is as private as the votes; also the ε expected after sanitising, around
    which the one to publish is drawn with standard deviation `plus_minus`.
    """
    independent = found.data_independent
    return {
        "queries": found.queries,
        "teachers": found.teachers,
        "classes": found.classes,
        "answers": found.answers,
        "sigma": sigma,
        "delta": delta,
        "data_independent": {
            "exact_gaussian_epsilon": independent.exact_gaussian_epsilon,
            "tight": independent.tight._asdict(),
            "classic": independent.classic._asdict(),
        },
        "data_dependent": found.data_dependent and _dependent_record(found.data_dependent),
    }


def _dependent_record(dependent: "DataDependent") -> dict:
    release = dependent.release
    return {
        "epsilon_before_sanitising": dependent.before_sanitising.epsilon,
        "rdp_order": dependent.before_sanitising.rdp_order,
        "standard_deviation": dependent.standard_deviation,
        "conditions": dependent.conditions._asdict(),
        "expected_epsilon_after_sanitising": dependent.expected_after_sanitising,
        "release": release
        and {
            **release._asdict(),
            # JSON has no infinity: no noise is asked for where nothing can change.
            "sigma_ss": release.sigma_ss if release.smooth_sensitivity else None,
            "plus_minus": release.plus_minus,
        },
    }


def as_lines(found: "Analysis", *, delta: float, confident: bool) -> list[str]:
    """The analysis in sentences, for people."""
    independent, dependent = found.data_independent, found.data_dependent
    lines = [
        _("{queries} queries to {teachers} teachers, {answers} answers, δ = {delta}").format(
            queries=number(found.queries),
            teachers=number(found.teachers),
            answers=number(found.answers, 1),
            delta=f"{delta:g}",
        )
    ]
    if confident:
        lines.append(
            _(
                "The number of answers is the expected one, which only the votes tell:"
                " what is published must state the limit at which answering stops."
            )
        )
    lines += [
        "",
        _("Data-independent: holds whatever the votes are, needs no sanitising"),
        "  "
        + _("exact Gaussian accounting: ε = {epsilon}").format(
            epsilon=number(independent.exact_gaussian_epsilon, 3)
        ),
        "  " + _("RDP, tight conversion: ε = {epsilon} (order {order})").format(**_shown(independent.tight)),
        "  "
        + _("RDP, classic conversion: ε = {epsilon} (order {order})").format(**_shown(independent.classic)),
    ]
    if dependent is None:
        return lines
    lines += [
        "",
        _("Data-dependent: tells something about the votes"),
        "  "
        + _("before sanitising, not to be published: ε = {epsilon} (order {order})").format(
            **_shown(dependent.before_sanitising)
        ),
    ]
    if dependent.release is None:
        unmet = _("conditions C5 and C6 do not both hold at this order: it cannot be sanitised there")
        return [*lines, "  " + unmet]
    return [
        *lines,
        "  "
        + _("after sanitising by smooth sensitivity: ε ≈ {epsilon} ± {deviation}").format(
            epsilon=number(dependent.expected_after_sanitising, 3),
            deviation=number(dependent.release.plus_minus, 3),
        ),
        "  " + _("(where a release would fall: what is published is one draw from around there)"),
    ]


def _shown(converted) -> dict[str, str]:
    return {"epsilon": number(converted.epsilon, 3), "order": number(converted.rdp_order, 2)}
