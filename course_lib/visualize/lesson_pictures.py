"""The figures of the lesson on showing results, as matplotlib figures.

Leaves out everything else: what they show was counted in the lesson. The charts that a reader can move are
Altair's and stand in the lesson, too; `draw_grammar` and `draw_linked` are what is seen where nothing moves.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.i18n import _, number

# Okabe and Ito's palette: told apart by people with any common form of colour blindness.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#767676"
LOOKS = ((BLUE, "o"), (ORANGE, "s"), (GREEN, "^"))

# F. J. Anscombe: Graphs in Statistical Analysis, The American Statistician 27(1), 1973.
ANSCOMBE_X = (10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5)
ANSCOMBE = (
    (ANSCOMBE_X, (8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68)),
    (ANSCOMBE_X, (9.14, 8.14, 8.74, 8.77, 9.26, 8.10, 6.13, 3.10, 9.13, 7.26, 4.74)),
    (ANSCOMBE_X, (7.46, 6.77, 12.74, 7.11, 7.81, 8.84, 6.08, 5.39, 8.15, 6.42, 5.73)),
    (
        (8, 8, 8, 8, 8, 8, 8, 19, 8, 8, 8),
        (6.58, 5.76, 7.71, 8.84, 8.47, 7.04, 5.25, 12.50, 5.56, 7.91, 6.89),
    ),
)


def draw_grammar(flowers: pd.DataFrame) -> Figure:
    """Three steps: `length` and `width` as places; `species` as colour and shape; `species` as panels."""
    groups = [
        (name, part, *look) for (name, part), look in zip(flowers.groupby("species"), LOOKS, strict=True)
    ]
    figure, panels = plt.subplots(1, 5, figsize=(11, 2.7), layout="constrained", sharex=True, sharey=True)
    for panel, (name, part, colour, shape) in zip(panels[2:], groups, strict=True):
        panels[0].scatter(part["length"], part["width"], s=14, color=BLUE, marker="o")
        panels[1].scatter(part["length"], part["width"], s=14, color=colour, marker=shape, label=name)
        panel.scatter(part["length"], part["width"], s=14, color=colour, marker=shape)
        panel.set_title(name, fontsize=10)
    panels[1].legend(frameon=False, fontsize=8)
    panels[0].set_ylabel(_("petal width in cm"))
    for panel in panels:
        panel.set_xlabel(_("petal length in cm"), fontsize=8)
        _open(panel)
    return figure


def draw_linked(wines: pd.DataFrame) -> Figure:
    """What `course_lib.visualize.stages.linked_view` draws of the same table, with nothing selected."""
    figure, (points, bars) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained", width_ratios=(3, 2))
    for (cultivar, part), (colour, shape) in zip(wines.groupby("cultivar"), LOOKS, strict=True):
        name = _("cultivar {number}").format(number=cultivar)
        points.scatter(
            part["flavanoids"], part["color_intensity"], s=22, color=colour, marker=shape, label=name
        )
    wrong = wines[~wines["right"]]
    points.scatter(
        wrong["flavanoids"], wrong["color_intensity"], s=80, color="black", marker="x", label=_("wrong")
    )
    points.set_xlabel(_("flavanoids"))
    points.set_ylabel(_("colour intensity"))
    points.legend(frameon=False, fontsize=8)
    counts = wines.groupby(["cultivar", "right"]).size().unstack(fill_value=0)
    for right, shift, hatch, name in ((True, -0.2, "", _("right")), (False, 0.2, "///", _("wrong"))):
        places = np.arange(len(counts)) + shift
        drawn = bars.barh(
            places, counts[right], height=0.36, color=BLUE, hatch=hatch, edgecolor="white", label=name
        )
        bars.bar_label(drawn, [number(count) for count in counts[right]], padding=3)
    bars.set_yticks(range(len(counts)), counts.index)
    bars.invert_yaxis()
    bars.set_ylabel(_("cultivar"))
    bars.set_xlabel(_("wines"))
    bars.legend(frameon=False, fontsize=8)
    for panel in (points, bars):
        _open(panel)
    return figure


def draw_pairs(scores: np.ndarray, labels: np.ndarray) -> Figure:
    """Every pair of a one and a zero among `labels` as a square, and the ROC curve that runs between them.

    `scores` and `labels` have shape (count,). Squares below the curve are pairs in the right order.
    """
    ones, zeros = np.sort(scores[labels == 1])[::-1], np.sort(scores[labels == 0])[::-1]
    figure, axes = plt.subplots(figsize=(4.6, 4.2), layout="constrained")
    for row, one in enumerate(ones):
        for column, zero in enumerate(zeros):
            ranked = one > zero
            axes.add_patch(
                plt.Rectangle((column, row), 1, 1, facecolor="#CFE3F1" if ranked else "white", edgecolor=GREY)
            )
            axes.text(column + 0.5, row + 0.5, "✓" if ranked else "✗", ha="center", va="center", size=16)
    found, alarms = [0], [0]
    for label in labels[np.argsort(-scores, kind="stable")]:
        found.append(found[-1] + (label == 1))
        alarms.append(alarms[-1] + (label == 0))
    axes.plot(alarms, found, color=BLUE, linewidth=4, label=_("ROC curve"))
    axes.set_xticks(np.arange(len(zeros)) + 0.5, [number(score, 1) for score in zeros])
    axes.set_yticks(np.arange(len(ones)) + 0.5, [number(score, 1) for score in ones])
    axes.set_xlabel(_("scores of wines that are not good, from the highest"))
    axes.set_ylabel(_("scores of good wines, from the highest"))
    axes.set_xlim(-0.1, len(zeros) + 0.1)
    axes.set_ylim(-0.1, len(ones) + 0.1)
    axes.set_aspect("equal")
    axes.legend(frameon=False, loc="lower right")
    return figure


def draw_confusions(matrices: Mapping[str, np.ndarray], classes: Sequence[str]) -> Figure:
    """Confusion matrices beside each other: each cell's count, and its share of the row as colour."""
    figure, panels = plt.subplots(1, len(matrices), figsize=(4.4 * len(matrices), 3.4), layout="constrained")
    for panel, (name, counts) in zip(np.atleast_1d(panels), matrices.items(), strict=True):
        shares = counts / counts.sum(axis=1, keepdims=True)
        panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), share in np.ndenumerate(shares):
            panel.text(
                column,
                row,
                number(counts[row, column]) + "\n" + _percent(share),
                ha="center",
                va="center",
                color="white" if share > 0.5 else "black",
            )
        panel.set_xticks(range(len(classes)), classes)
        panel.set_yticks(range(len(classes)), classes, rotation=90, va="center")
        panel.set_xlabel(_("the model says"))
        panel.set_ylabel(_("it is"))
        panel.set_title(name, fontsize=11)
    return figure


def draw_calibration(curves: Mapping[str, Sequence[tuple[float, float, int]]]) -> Figure:
    """Share that is good against mean probability; two `curves` of (said, found, count) for each bin."""
    figure, axes = plt.subplots(figsize=(5.6, 4.2), layout="constrained")
    axes.plot((0, 1), (0, 1), color=GREY, linestyle=":", label=_("said and found agree"))
    looks = zip(LOOKS, ("-", "--"), ((-12, 8), (4, -12)), strict=False)
    for (name, rows), ((colour, shape), style, beside) in zip(curves.items(), looks, strict=True):
        said, found, counts = np.array(rows).T
        axes.plot(said, found, color=colour, linestyle=style, marker=shape, markersize=7, label=name)
        for place in zip(said, found, counts, strict=True):
            axes.annotate(number(place[2]), place[:2], beside, textcoords="offset points", fontsize=8)
    axes.set_xlabel(_("mean probability that the model says"))
    axes.set_ylabel(_("share of wines that are good"))
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.05, 1)
    axes.legend(frameon=False, loc="upper left")
    _open(axes)
    return figure


def draw_channels(values: Mapping[str, float]) -> Figure:
    """The same numbers, `values` by name, as places, lengths, areas and shades of one colour."""
    names, sizes = list(values), np.array(list(values.values()))
    places, share = np.arange(len(names)), np.array(list(values.values())) / max(values.values())
    figure, panels = plt.subplots(1, 4, figsize=(10, 2.4), layout="constrained")
    panels[0].scatter(places, sizes, color=BLUE, s=50)
    panels[1].bar(places, sizes, color=BLUE)
    panels[2].scatter(places, np.zeros(len(names)), s=700 * share, color=BLUE)
    panels[3].scatter(
        places, np.zeros(len(names)), s=500, c=share, cmap="Blues", vmin=0, vmax=1.1, marker="s"
    )
    titles = (_("position"), _("length"), _("area"), _("shade"))
    for panel, title in zip(panels, titles, strict=True):
        panel.set_title(title, fontsize=11)
        panel.set_xticks(places, names)
        panel.set_xlim(-0.6, len(names) - 0.4)
        _open(panel)
    for panel in panels[:2]:
        panel.set_ylim(0, 1.15 * sizes.max())
    for panel in panels[2:]:
        panel.set_yticks([])
        panel.spines["left"].set_visible(False)
    return figure


def draw_palettes(rows: Mapping[str, Sequence[tuple[str, str]]], *, columns: Sequence[str]) -> Figure:
    """The same points in pairs of colours: a row for each palette of `rows`, a column for each eye."""
    random = np.random.default_rng(3)
    first, second = random.normal((-0.4, 0), 1, (40, 2)), random.normal((0.9, 0.4), 1, (40, 2))
    figure, panels = plt.subplots(
        len(rows), len(columns), figsize=(9, 2.2 * len(rows)), layout="constrained", sharex=True, sharey=True
    )
    for place, (panel_row, (name, pairs)) in enumerate(zip(panels, rows.items(), strict=True)):
        for panel, pair, column in zip(panel_row, pairs, columns, strict=True):
            for points, colour, shape in zip(
                (first, second), pair, ("o", "^" if place else "o"), strict=True
            ):
                panel.scatter(*points.T, s=26, color=colour, marker=shape)
            panel.set_xticks([])
            panel.set_yticks([])
            if place == 0:
                panel.set_title(column, fontsize=11)
        panel_row[0].set_ylabel(name)
    return figure


def draw_hidden(accuracies: Mapping[str, float], cloud: np.ndarray) -> Figure:
    """Three things that charts hide, each before and after: a cut axis, many points, equal summaries.

    `cloud` has shape (count, 2).
    """
    figure, panels = plt.subplots(2, 4, figsize=(11, 5.2), layout="constrained")
    cut, whole, points, density = panels[0]
    for axes in (cut, whole):
        bars = axes.bar(list(accuracies), list(accuracies.values()), color=BLUE)
        axes.bar_label(bars, [_percent(value) for value in accuracies.values()])
    cut.set_ylim(min(accuracies.values()) - 0.01, max(accuracies.values()) + 0.01)
    cut.set_title(_("axis from {share}").format(share=_percent(cut.get_ylim()[0])), fontsize=10)
    whole.set_ylim(0, 1)
    whole.set_title(_("axis from {share}").format(share=_percent(0)), fontsize=10)
    for axes in (cut, whole):
        axes.set_yticks([])
    points.scatter(*cloud.T, s=6, color=BLUE, rasterized=True)
    points.set_title(_("{count} points").format(count=number(len(cloud))), fontsize=10)
    density.hexbin(*cloud.T, gridsize=45, cmap="Blues", linewidths=0.1)
    density.set_title(_("how many in each place"), fontsize=10)
    for axes, (x, y) in zip(panels[1], ANSCOMBE, strict=True):
        axes.scatter(x, y, s=22, color=BLUE)
        slope, start = np.polyfit(x, y, 1)
        axes.plot((3, 20), (start + 3 * slope, start + 20 * slope), color=ORANGE, linewidth=1.5)
        summary = _("mean {mean}, correlation {correlation}")
        mean, correlation = number(np.mean(y), 1), number(np.corrcoef(x, y)[0, 1], 2)
        axes.set_title(summary.format(mean=mean, correlation=correlation), fontsize=9)
        axes.set_ylim(2, 14)
    for axes in panels.flat:
        _open(axes)
    return figure


def _open(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def _percent(share: float) -> str:
    return _("{percent}%").format(percent=number(100 * share))
