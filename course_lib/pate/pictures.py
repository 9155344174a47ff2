"""The figures of the lesson on PATE, as matplotlib figures.

Leaves out everything else: nothing here votes or counts privacy but through the package's own functions.
"""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.i18n import _, number
from course_lib.pate.accounting import ORDERS
from course_lib.pate.accounting.conversion import classic_epsilon
from course_lib.pate.accounting.gaussian import gaussian_epsilon, gnmax_mu
from course_lib.pate.accounting.rdp import gnmax_rdp_data_independent

if TYPE_CHECKING:
    import altair

# Okabe and Ito's palette: told apart by people with any common form of colour blindness.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#BBBBBB"


def draw_neighbours(*, votes: int = 60, sigma: float = 5.0) -> Figure:
    """Two neighbouring worlds, told by randomised response and by a noisy count of `votes`, or one less."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    places = np.arange(2)
    for offset, shares, colour, hatch, label in (
        (-0.2, (0.75, 0.25), BLUE, "", _("you cheated")),
        (0.2, (0.25, 0.75), ORANGE, "//", _("you did not")),
    ):
        bars = left.bar(
            places + offset, shares, width=0.4, color=colour, hatch=hatch, edgecolor="white", label=label
        )
        left.bar_label(bars, [number(share, 2) for share in shares], padding=2)
    left.set_xticks(places, [_("yes"), _("no")])
    left.set_ylabel(_("probability of the answer"))
    left.set_ylim(0, 1.1)
    values = np.linspace(votes - 4 * sigma, votes + 4 * sigma, 400)
    for centre, colour, style, label in (
        (votes, BLUE, "-", _("{votes} votes").format(votes=votes)),
        (votes - 1, ORANGE, "--", _("{votes} votes").format(votes=votes - 1)),
    ):
        density = np.exp(-((values - centre) ** 2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
        right.plot(values, density, color=colour, linestyle=style, linewidth=2, label=label)
    right.set_xlabel(_("noisy number of votes"))
    right.set_ylabel(_("probability density"))
    for axes in (left, right):
        axes.legend(frameon=False, loc="upper center", ncols=2)
        axes.spines[["top", "right"]].set_visible(False)
    right.set_ylim(0, 1.3 * right.get_lines()[0].get_ydata().max())
    return figure


def draw_composition(*, sigma: float, delta: float, most: int = 1000) -> Figure:
    """ε of up to `most` GNMax answers: ε of one answer added up, by Rényi divergence, and exactly."""
    answers = np.unique(np.geomspace(1, most, 60).round().astype(int))
    one = gnmax_rdp_data_independent(ORDERS, sigma=sigma)
    curves = (
        (
            _("ε of each answer, added up"),
            [count * gaussian_epsilon(gnmax_mu(1, sigma=sigma), delta=delta / count) for count in answers],
            "#555555",
            ":",
        ),
        (
            _("by Rényi divergence (RDP)"),
            [classic_epsilon(ORDERS, count * one, delta=delta).epsilon for count in answers],
            ORANGE,
            "--",
        ),
        (
            _("exactly (GDP)"),
            [gaussian_epsilon(gnmax_mu(count, sigma=sigma), delta=delta) for count in answers],
            BLUE,
            "-",
        ),
    )
    figure, axes = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
    for label, epsilons, colour, style in curves:
        axes.plot(answers, epsilons, color=colour, linestyle=style, linewidth=2, label=label)
    axes.set_xlabel(_("answers, with noise of standard deviation {sigma}").format(sigma=number(sigma)))
    axes.set_ylabel("ε")
    axes.set_ylim(0, 12)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_votes(images: np.ndarray, votes: np.ndarray) -> Figure:
    """Some `images` (n, 28, 28), and below each how many teachers voted for which class, `votes` (n, 10)."""
    figure, axes = plt.subplots(
        2, len(images), figsize=(9.5, 3.4), layout="constrained", height_ratios=(3, 2), sharey="row"
    )
    for image, row, above, below in zip(images, votes, *axes, strict=True):
        above.imshow(image, cmap="gray_r")
        above.axis("off")
        colours = np.where(row == row.max(), BLUE, ORANGE)
        below.bar(range(10), row, color=colours)
        below.set_xticks(range(10), range(10), fontsize=7)
        below.spines[["top", "right"]].set_visible(False)
    axes[1, 0].set_ylabel(_("votes"))
    return figure


def draw_agreement(votes: np.ndarray, labels: np.ndarray) -> Figure:
    """How many of the teachers agree on the images, and where what most of them say is wrong."""
    teachers, top = int(votes[0].sum()), votes.max(axis=1)
    right = votes.argmax(axis=1) == labels
    edges = np.linspace(0, teachers, 11)
    figure, axes = plt.subplots(figsize=(7.5, 3.2), layout="constrained")
    for which, colour, hatch, label in (
        (right, BLUE, "", _("the plurality is right")),
        (~right, ORANGE, "//", _("the plurality is wrong")),
    ):
        counts, _edges = np.histogram(top[which], edges)
        width = 0.42 * (edges[1] - edges[0])
        shift = -width / 2 if not hatch else width / 2
        axes.bar(
            (edges[:-1] + edges[1:]) / 2 + shift,
            counts,
            width,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            label=label,
        )
    axes.set_yscale("log")
    axes.set_xlabel(_("teachers that agree, out of {teachers}").format(teachers=teachers))
    axes.set_ylabel(_("public images (logarithmic)"))
    axes.legend(frameon=False, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def trade_off_chart(rows: list[dict]) -> "altair.LayerChart":
    """What answers cost and how many are right, with a slider for σ and choices of teachers and answers.

    `rows` hold `teachers`, `answers`, `sigma`, `epsilon` and `right`, the share of right answers.
    """
    import altair  # it takes half a second to import

    def choice(name: str, label: str, value: int) -> altair.Parameter:
        options = sorted({row[name] for row in rows})
        return altair.param(name, value=value, bind=altair.binding_select(options=options, name=label + " "))

    sigmas = sorted({row["sigma"] for row in rows})
    slider = altair.binding_range(min=sigmas[0], max=sigmas[-1], step=sigmas[1] - sigmas[0], name="σ ")
    teachers, answers = choice("teachers", _("teachers"), 250), choice("answers", _("answers"), 100)
    sigma = altair.param("sigma", value=40, bind=slider)
    chosen = (
        altair.Chart(altair.Data(values=rows))
        .transform_filter("datum.teachers == teachers && datum.answers == answers")
        .encode(
            x=altair.X("epsilon:Q", title="ε", scale=altair.Scale(type="log", domain=[0.05, 100])),
            y=altair.Y(
                "right:Q",
                title=_("share of right answers"),
                axis=altair.Axis(format="%"),
                scale=altair.Scale(domain=[0, 1]),
            ),
        )
    )
    here = chosen.transform_filter("datum.sigma == sigma").transform_calculate(
        text="'ε = ' + format(datum.epsilon, '.2f') + ', ' + format(datum.right, '.1%')"
    )
    return (
        altair.layer(
            chosen.mark_line(color=BLUE, point={"color": BLUE, "size": 20}),
            here.mark_point(color=ORANGE, size=200, filled=True, opacity=1),
            here.mark_text(align="left", dx=10, dy=14, fontSize=13).encode(text="text:N"),
        )
        .add_params(teachers, answers, sigma)
        .properties(width=520, height=260)
    )


def draw_trade_off(rows: list[dict], *, answers: int = 100) -> Figure:
    """The same for one number of `answers` and every number of teachers, where nothing can be moved."""
    figure, axes = plt.subplots(figsize=(7.5, 3.4), layout="constrained")
    counts = sorted({row["teachers"] for row in rows})
    for teachers, colour, style in zip(counts, (GREEN, ORANGE, BLUE), (":", "--", "-"), strict=True):
        of_these = [row for row in rows if row["teachers"] == teachers and row["answers"] == answers]
        axes.plot(
            [row["epsilon"] for row in of_these],
            [row["right"] for row in of_these],
            color=colour,
            linestyle=style,
            linewidth=2,
            marker="o",
            markersize=3,
            label=_("{teachers} teachers").format(teachers=teachers),
        )
    axes.set_xscale("log")
    axes.set_xticks(ticks := [0.3, 0.5, 1, 2, 5], [number(tick, 1) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel(_("ε of {answers} answers").format(answers=answers))
    axes.set_ylabel(_("share of right answers"))
    axes.set_ylim(0, 1.02)
    axes.legend(frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_ledger(epsilons: dict[str, list[float]], *, budget: float) -> Figure:
    """ε after each entry of one ledger or several, by name, and the budget that none may pass."""
    figure, axes = plt.subplots(figsize=(7.5, 3.2), layout="constrained")
    for (label, spent), colour, style in zip(
        epsilons.items(), (BLUE, ORANGE, GREEN), ("-", "--", ":"), strict=False
    ):
        axes.step(
            range(len(spent) + 1), [0, *spent], where="post", color=colour, linestyle=style, label=label
        )
    axes.axhline(budget, color="#555555", linewidth=1)
    axes.annotate(_("budget"), (0, budget), xytext=(4, 4), textcoords="offset points")
    axes.set_xlabel(_("entries in the ledger"))
    axes.set_ylabel(_("ε spent"))
    axes.set_ylim(0, 1.2 * budget)
    axes.legend(frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_groups(
    images: np.ndarray, groups: list[np.ndarray], answers: np.ndarray, *, shown: int = 6
) -> Figure:
    """Some `images` of each group, and the answer that the group got, a row for each answer's groups."""
    columns = 5
    rows = -(-len(groups) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(9.5, 0.72 * rows + 0.2), layout="constrained")
    for panel in axes.flat:
        panel.axis("off")
    for panel, group, answer in zip(axes.flat, groups, answers, strict=False):
        strip = np.concatenate([images[number] for number in group[:shown]], axis=1)
        panel.imshow(strip, cmap="gray_r", aspect="equal")
        panel.set_title(f"→ {answer}", fontsize=10, loc="left", pad=2)
    return figure


def draw_accuracies(rows: dict[str, tuple[float, float]]) -> Figure:
    """Bars of exam accuracy; `rows` maps a name to (ε, accuracy)."""
    figure, axes = plt.subplots(figsize=(8, 0.55 * len(rows) + 0.8), layout="constrained")
    names = [
        _("{name} (ε = {epsilon})").format(name=name, epsilon=number(cost, 2))
        for name, (cost, _share) in rows.items()
    ]
    bars = axes.barh(names, [100 * share for _cost, share in rows.values()], color=BLUE)
    axes.bar_label(bars, [f"{number(100 * share, 1)} %" for _cost, share in rows.values()], padding=4)
    axes.set_xlim(0, 112)
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.set_xlabel(_("right answers in the exam, in percent"))
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_worlds(shares: list[np.ndarray]) -> Figure:
    """How often each class was the answer, (classes,), in two neighbouring worlds."""
    figure, axes = plt.subplots(figsize=(7.5, 3), layout="constrained")
    places = np.arange(len(shares[0]))
    for offset, share, colour, hatch, label in (
        (-0.2, shares[0], BLUE, "", _("as it was")),
        (0.2, shares[1], ORANGE, "//", _("one teacher votes otherwise")),
    ):
        axes.bar(places + offset, share, width=0.4, color=colour, hatch=hatch, edgecolor="white", label=label)
    axes.set_xticks(places)
    axes.set_xlabel(_("answer"))
    axes.set_ylabel(_("how often"))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
