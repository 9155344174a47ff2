"""The figures of the lesson on serving, as matplotlib figures.

Leaves out everything else: nothing here asks a server, and no other module needs this one.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from course_lib.i18n import _, number

# Okabe and Ito's palette: told apart by people with any common form of colour blindness.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#777777"
_LINES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."))


def draw_parts() -> Figure:
    """The processes of the lesson as boxes, and what travels between them as arrows."""
    figure, axes = plt.subplots(figsize=(9, 3.6), layout="constrained")
    boxes = {
        "training": ((0.0, 1.0), _("training\n(this notebook)"), GREY),
        "tracking": ((1.0, 1.0), _("tracking server:\nruns, models, aliases"), BLUE),
        "service": ((2.0, 1.0), _("service:\npredictions"), BLUE),
        "people": ((2.0, 0.0), _("people who ask"), GREY),
        "monitoring": ((1.0, 0.0), _("Prometheus:\nmetrics, alarms"), GREEN),
    }
    for (x, y), words, colour in boxes.values():
        box = FancyBboxPatch(
            (x - 0.27, y - 0.2), 0.54, 0.4, boxstyle="round,pad=0.02", facecolor="white", edgecolor=colour
        )
        axes.add_patch(box).set_linewidth(2)
        axes.text(x, y, words, ha="center", va="center", fontsize=10)
    arrows = (
        ((0.3, 1.0), (0.7, 1.0), _("runs,\nmodels"), (0.5, 1.22)),
        ((1.3, 1.0), (1.7, 1.0), _("champion"), (1.5, 1.1)),
        ((2.1, 0.22), (2.1, 0.78), _("measurements"), (2.31, 0.5)),
        ((1.9, 0.78), (1.9, 0.22), _("quality"), (1.72, 0.5)),
        ((1.74, 0.77), (1.26, 0.2), _("metrics"), (1.36, 0.54)),
    )
    for start, end, words, place in arrows:
        axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "#333333"})
        axes.text(*place, words, ha="center", va="center", fontsize=9, color="#333333")
    axes.set(xlim=(-0.35, 2.45), ylim=(-0.3, 1.4))
    axes.axis("off")
    return figure


def draw_grid(runs: pd.DataFrame) -> Figure:
    """The error over both parameters of the elastic net; `runs` has the columns that MLflow answers with."""
    table = runs.pivot(index="params.l1_ratio", columns="params.alpha", values="metrics.rmse")
    figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
    filled = axes.contourf(table.columns, table.index, table, levels=12, cmap="cividis_r")
    best = runs.loc[[runs["metrics.rmse"].idxmin()]]
    for points, marker, colour, size in ((runs, "o", "white", 5), (best, "*", ORANGE, 18)):
        places = points["params.alpha"], points["params.l1_ratio"]
        axes.plot(*places, marker, color=colour, markeredgecolor="black", markersize=size, clip_on=False)
    axes.set_xscale("log")
    axes.set_xticks(table.columns, [number(alpha, 3).rstrip("0") for alpha in table.columns], minor=False)
    axes.minorticks_off()
    axes.set_yticks(table.index)
    axes.set_xlabel("alpha")
    axes.set_ylabel("l1_ratio")
    figure.colorbar(filled, label=_("RMSE, in points of quality"))
    return figure


def draw_gap(training: Sequence[float], newest: Sequence[float], *, name: str) -> Figure:
    """Two cumulative curves of one measurement, and the widest gap between them."""
    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    places = np.unique(np.concatenate([training, newest]))
    curves = [_shares(values, places) for values in (training, newest)]
    for curve, colour, style, label in zip(
        curves, (BLUE, ORANGE), ("-", "--"), (_("training"), _("newest wines")), strict=True
    ):
        axes.step(places, curve, where="post", color=colour, linestyle=style, linewidth=2, label=label)
    widest = int(np.abs(curves[0] - curves[1]).argmax())
    low, high = sorted((curves[0][widest], curves[1][widest]))
    axes.annotate(
        "", (places[widest], high), (places[widest], low), arrowprops={"arrowstyle": "<->", "linewidth": 1.5}
    )
    white = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    axes.text(places[widest], (low + high) / 2, number(high - low, 2), ha="center", va="center", bbox=white)
    axes.set_xlabel(name)
    axes.set_ylabel(_("share at or below"))
    axes.legend(frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _shares(values: Sequence[float], places: np.ndarray) -> np.ndarray:
    """Which share of `values` lies at or below each of `places`."""
    return np.searchsorted(np.sort(values), places, side="right") / len(values)


def draw_watch(
    sent: Sequence[int], drift: pd.DataFrame, *, threshold: float, shifted_from: int, alarm_at: int
) -> Figure:
    """The drift of each measurement, a column each, after so many wines as `sent` says for each row.

    Measurements that were above `threshold` at the end have names; the others are grey.
    """
    figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
    last = drift.iloc[-1].sort_values(ascending=False)
    named = list(last[last > threshold].index[: len(_LINES)])
    axes.plot(sent, drift.drop(columns=named), color="#BBBBBB", linewidth=1)
    for name, (colour, style) in zip(named, _LINES, strict=False):
        axes.plot(sent, drift[name], color=colour, linestyle=style, linewidth=2, label=name)
    axes.axvspan(shifted_from, sent[-1], color="#F2E3C6", zorder=0)
    axes.axhline(threshold, color="black", linewidth=1)
    axes.axvline(alarm_at, color="#D55E00", linewidth=2)
    top = max(0.5, 1.15 * float(last.iloc[0]))
    axes.text(sent[0], threshold, _("threshold"), va="bottom", fontsize=9)
    axes.text(shifted_from, top, " " + _("shifted"), va="top", fontsize=9)
    axes.text(alarm_at, 0.9 * top, " " + _("alarm"), va="top", color="#D55E00")
    axes.set(xlim=(sent[0], sent[-1]), ylim=(0, top))
    axes.set_xlabel(_("wines since the start of the replay"))
    axes.set_ylabel(_("drift"))
    axes.legend(frameon=False, loc="center left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_costs(milliseconds: Mapping[str, float]) -> Figure:
    """What one prediction takes, a bar for each way to ask."""
    figure, axes = plt.subplots(figsize=(7, 0.8 + 0.5 * len(milliseconds)), layout="constrained")
    bars = axes.barh(list(milliseconds), list(milliseconds.values()), color=BLUE)
    axes.bar_label(bars, labels=[number(value, 1) for value in milliseconds.values()], padding=3)
    axes.set_xlim(right=max(milliseconds.values()) * 1.15)
    axes.set_xlabel(_("milliseconds"))
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    return figure
