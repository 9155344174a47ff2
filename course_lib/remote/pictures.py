"""The figures of the lesson on remote data science, as matplotlib figures.

Leaves out everything else: no other module needs this one.
"""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.i18n import _, number

# Okabe and Ito's palette: told apart by people with any common form of colour blindness.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#BBBBBB"


def draw_answers(
    mock: Mapping[str, Mapping[str, float]], private: Mapping[str, Mapping[str, float]]
) -> Figure:
    """Mean days by age and kind of admission (kind: {age group: days}), on the mock and on the real table."""
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained", sharey=True)
    titles = (_("the same job on the mock"), _("on the private table"))
    names = {"emergency": _("emergency"), "planned": _("planned")}
    marks = {"emergency": (ORANGE, "s"), "planned": (BLUE, "o")}
    for panel, title, answer in zip(panels, titles, (mock, private), strict=True):
        for kind, (colour, mark) in marks.items():
            panel.plot(
                list(answer[kind]), list(answer[kind].values()), color=colour, marker=mark, label=names[kind]
            )
        panel.set_title(title)
        panel.set_xlabel(_("age"))
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel(_("mean days in hospital"))
    panels[0].set_ylim(0)
    panels[1].legend(frameon=False)
    return figure


def draw_places(found: Mapping[str, Mapping[str, bool]]) -> Figure:
    """Which place holds which thing in a form that can be read there: {place: {thing: whether}}."""
    things = list(next(iter(found.values())))
    figure, axes = plt.subplots(figsize=(8, 0.8 + 0.5 * len(found)), layout="constrained")
    held = np.array([[found[place][thing] for thing in things] for place in found], dtype=float)
    axes.pcolormesh(held[::-1], cmap=plt.matplotlib.colors.ListedColormap(["white", BLUE]), vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(held[::-1]):
        text = _("yes") if value else "–"
        axes.text(
            column + 0.5, row + 0.5, text, ha="center", va="center", color="white" if value else "#555555"
        )
    axes.set_xticks(np.arange(len(things)) + 0.5, things)
    axes.hlines(range(1, len(found)), 0, len(things), color="#DDDDDD")
    axes.set_yticks(np.arange(len(found)) + 0.5, list(found)[::-1])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def draw_two_tables(*, difference: float, scale: float) -> Figure:
    """How likely each answer is for two tables whose means lie `difference` minutes apart; Laplace noise."""
    figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
    answers = np.linspace(-5 * scale, 5 * scale, 801)
    lines = (
        (-difference / 2, BLUE, "-", _("with a patient's row")),
        (difference / 2, ORANGE, "--", _("with another row in its place")),
    )
    for exact, colour, style, label in lines:
        axes.plot(
            answers, np.exp(-np.abs(answers - exact) / scale), color=colour, linestyle=style, label=label
        )
        axes.axvline(exact, color=colour, linestyle=":", linewidth=1)
    axes.set_xlabel(_("the answer, in minutes from the middle of both means"))
    axes.set_ylabel(_("how likely it is"))
    axes.set_ylim(0)
    axes.set_yticks([])
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def draw_budget(spent: Mapping[str, float], *, budget: float) -> Figure:
    """What each job asked for of a researcher's epsilon, in order; one that does not fit is hatched."""
    figure, axes = plt.subplots(figsize=(8, 1.8), layout="constrained")
    left = 0.0
    for (name, epsilon), colour in zip(spent.items(), (BLUE, GREEN, ORANGE), strict=True):
        look = {"color": colour} if left + epsilon <= budget else {"color": "white", "hatch": "//"}
        axes.barh(0, epsilon, left=left, edgecolor=colour, **look)
        axes.text(left + epsilon / 2, 0.5, f"{name}\nε = {number(epsilon, 1)}", ha="center", va="bottom")
        left += epsilon
    axes.plot([budget, budget], [-0.5, 0.45], color="black", linewidth=2)
    axes.set_ylim(-0.5, 1.3)
    axes.set_yticks([])
    axes.set_xticks(range(int(budget) + 2))
    axes.set_xlim(0, max(left, budget) * 1.03)
    axes.set_xlabel(_("ε of one researcher; the line is the budget"))
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure
