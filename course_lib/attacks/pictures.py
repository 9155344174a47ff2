"""The figures of the lesson on what models leak that show membership: losses, bell curves, ROC, defences.

Leaves out everything else: nothing here attacks or trains.
"""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from scipy.stats import norm

from course_lib.attacks.targets import SIDE
from course_lib.i18n import _, number

# Okabe and Ito's palette: told apart by people with any common form of colour blindness.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#777777"
_STYLES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (PURPLE, ":"), ("#D55E00", "-"), ("#56B4E9", "--"))


def draw_losses(losses: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """How often which loss occurs, for each model by name: losses (n,), and who is a member, bool (n,)."""
    figure, panels = plt.subplots(
        1, len(losses), figsize=(9, 3), layout="constrained", sharey=True, squeeze=False
    )
    edges = np.geomspace(1e-6, 20, 40)
    for axes, (name, (values, members)) in zip(panels[0], losses.items(), strict=True):
        for group, (colour, style), label in (
            (members, _STYLES[0], _("members")),
            (~members, _STYLES[1], _("non-members")),
        ):
            counts, _edges = np.histogram(values[group].clip(edges[0], edges[-1]), edges)
            axes.stairs(counts, edges, color=colour, linestyle=style, linewidth=2, label=label)
        axes.set_xscale("log")
        axes.set_title(name)
        axes.set_xlabel(_("loss (logarithmic)"))
        axes.spines[["top", "right"]].set_visible(False)
    panels[0, 0].set_ylabel(_("images"))
    panels[0, 0].legend(frameon=False, loc="upper left")
    return figure


def draw_curves(
    images: np.ndarray, confidences: np.ndarray, members: np.ndarray, answers: np.ndarray
) -> Figure:
    """Two groups of shadow models for each of some candidates, as bell curves, and the target's answer.

    `images`: (k, 196); `confidences`: scaled, (models, k); `members`: bool (models, k); `answers`: (k,).
    """
    figure, panels = plt.subplots(
        2, len(images), figsize=(9, 3.6), layout="constrained", height_ratios=(1, 2.4), squeeze=False
    )
    for column, (above, below) in enumerate(panels.T):
        above.imshow(images[column].reshape(SIDE, SIDE), cmap="gray_r")
        above.axis("off")
        values, inside = confidences[:, column], members[:, column]
        grid = np.linspace(
            min(values.min(), answers[column]) - 3, max(values.max(), answers[column]) + 3, 300
        )
        for height, group, (colour, style), label in (
            (-0.02, inside, _STYLES[0], _("in")),
            (-0.04, ~inside, _STYLES[1], _("out")),
        ):
            curve = norm.pdf(grid, values[group].mean(), values[group].std())
            below.plot(grid, curve, color=colour, linestyle=style, linewidth=2, label=label)
            below.plot(values[group], np.full(group.sum(), height), "|", color=colour)
        below.axvline(answers[column], color=GREY, linewidth=2, label=_("the target"))
        below.set_xlabel(_("scaled confidence"))
        below.set_yticks([])
        below.spines[["top", "right", "left"]].set_visible(False)
    panels[1, 0].legend(frameon=False, loc="upper left")
    return figure


def draw_roc(curves: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]], *, fprs: np.ndarray) -> Figure:
    """True against false positives, logarithmic: for each attack by name its mean and its band's ends."""
    figure, axes = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
    for (name, (mean, low, high)), (colour, style) in zip(curves.items(), _STYLES, strict=False):
        axes.plot(fprs, mean, color=colour, linestyle=style, linewidth=2, label=name)
        axes.fill_between(fprs, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.plot(fprs, fprs, color=GREY, linewidth=1, label=_("by chance"))
    axes.set_xscale("log")
    axes.set_yscale("log")
    _percent(axes, fprs.min())
    axes.set_xlabel(_("false-positive rate (logarithmic)"))
    axes.set_ylabel(_("true-positive rate (logarithmic)"))
    axes.legend(frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_exposed(images: np.ndarray, labels: np.ndarray, found: np.ndarray, *, shown: int = 8) -> Figure:
    """The candidates that an attack finds most often, and some of those that it never finds.

    `images`: (n, 196); `labels`: (n,); `found`: how often each was found when it was a member, 0 to 1, (n,).
    """
    order = found.argsort(kind="stable")
    figure, panels = plt.subplots(2, shown, figsize=(9, 2.9), layout="constrained")
    for row, chosen in zip(panels, (order[::-1][:shown], order[:shown]), strict=True):
        for axes, candidate in zip(row, chosen, strict=True):
            axes.imshow(images[candidate].reshape(SIDE, SIDE), cmap="gray_r")
            axes.set_title(f"{labels[candidate]}  ({_as_percent(found[candidate])})", fontsize=9)
            axes.axis("off")
    return figure


def draw_defences(points: Mapping[str, tuple[float, float, float, float]], *, fpr: float) -> Figure:
    """Leak against accuracy: for each defence by name its accuracy, TPR at `fpr`, and its band's ends."""
    figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
    for place, (name, (accuracy, tpr, low, high)) in enumerate(points.items()):
        colour = _STYLES[place % len(_STYLES)][0]
        marker = "osD^vP*Xh<"[place % 10]
        axes.errorbar(
            accuracy,
            tpr,
            yerr=[[tpr - low], [high - tpr]],
            fmt=marker,
            color=colour,
            markersize=8,
            label=name,
        )
    axes.axhline(fpr, color=GREY, linewidth=1)
    axes.annotate(
        _("by chance"), (axes.get_xlim()[1], fpr), xytext=(-4, 4), textcoords="offset points", ha="right"
    )
    axes.set_yscale("log")
    axes.set_yticks(
        ticks := [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1], [_as_percent(tick) for tick in ticks]
    )
    axes.minorticks_off()
    axes.set_ylim(fpr / 2, ticks[-1])
    axes.xaxis.set_major_formatter(FuncFormatter(_as_percent))
    axes.set_xlabel(_("accuracy on new images"))
    axes.set_ylabel(_("members found, at {fpr}% false positives").format(fpr=number(100 * fpr, 1)))
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _percent(axes: Axes, smallest: float) -> None:
    """Mark 0.1%, 1%, 10% and 100% on both logarithmic axes."""
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(_as_percent))
    axes.set_xlim(smallest, 1)
    axes.set_ylim(smallest, 1)


def _as_percent(value: float, _place: int = 0) -> str:
    return _("{percent}%").format(percent=number(100 * value, 1 if 0 < value < 0.0099 else 0))
