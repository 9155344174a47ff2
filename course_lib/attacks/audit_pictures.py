"""The figure on the privacy audit: what was promised, and what was proved.

Leaves out everything else: nothing here trains or guesses.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from course_lib.i18n import _, number

# Okabe and Ito's palette: told apart by people with any common form of colour blindness.
BLUE, ORANGE, GREY = "#0072B2", "#E69F00", "#BBBBBB"


def draw_audit(
    scores: np.ndarray,
    included: np.ndarray,
    guessed: np.ndarray,
    bounds: Sequence[tuple[float, float]],
    *,
    most: float,
) -> Figure:
    """Left the `scores` of canaries, in and out; right the ε (promised, proved) of each training.

    `included` is bool, `guessed` is 1, -1 or 0, all of shape (canaries,). Infinity promises nothing; `most`
    is the largest bound that as many guesses can prove.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    _draw_scores(left, scores, included, guessed)
    _draw_bounds(right, bounds, most)
    for axes in (left, right):
        axes.legend(loc="upper left", edgecolor="white", framealpha=1)
        axes.set_ylim(top=1.4 * axes.get_ylim()[1])  # room for the legend
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_scores(axes: Axes, scores: np.ndarray, included: np.ndarray, guessed: np.ndarray) -> None:
    edges = np.linspace(scores.min(), scores.max(), 41)
    for group, colour, hatch, label in (
        (included, BLUE, "", _("in the training data")),
        (~included, ORANGE, "//", _("left out")),
    ):
        axes.hist(scores[group], edges, color=colour, alpha=0.75, hatch=hatch, edgecolor="white", label=label)
    for limit in (scores[guessed == -1].max(), scores[guessed == 1].min()):
        axes.axvline(limit, color="#555555", linestyle=":")
    axes.set_xlabel(_("score (between the dotted lines: no guess)"))
    axes.set_ylabel(_("canaries"))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: number(value, 1)))


def _draw_bounds(axes: Axes, bounds: Sequence[tuple[float, float]], most: float) -> None:
    places = np.arange(len(bounds))
    kept = [(place, promised) for place, (promised, _proved) in enumerate(bounds) if np.isfinite(promised)]
    for offset, (positions, epsilons), colour, label in (
        (-0.2, zip(*kept, strict=True), GREY, _("promised at most")),
        (0.2, (places, [proved for _promised, proved in bounds]), BLUE, _("proved at least")),
    ):
        bars = axes.bar(np.array(positions) + offset, epsilons, width=0.4, color=colour, label=label)
        axes.bar_label(bars, [number(epsilon, 1) for epsilon in epsilons], padding=2)
    axes.axhline(most, color="#555555", linestyle=":", label=_("the most that can be proved"))
    names = [f"ε = {number(promised)}" if np.isfinite(promised) else _("no noise") for promised, _p in bounds]
    axes.set_xticks(places, names)
    axes.set_ylabel("ε")
