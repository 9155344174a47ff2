"""The figures of the lesson that trains the network, as matplotlib figures.

Leaves out everything else: nothing here trains or shares, and no other module needs this one.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.i18n import _, number

# Okabe and Ito's palette: told apart by people with any common form of colour blindness.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#BBBBBB"
_INKS = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), ("#CC79A7", ":"), ("black", (0, (1, 1))))


def draw_digits(images: np.ndarray, titles: Sequence[str]) -> Figure:
    """Images of shape (n, 28, 28, 1) in rows of five, each below its title; 1 is drawn black."""
    rows = -(-len(images) // 5)
    figure, panels = plt.subplots(rows, 5, figsize=(8, 1.9 * rows), layout="constrained", squeeze=False)
    for panel in panels.flat:
        panel.axis("off")
    for panel, image, title in zip(panels.flat, images, titles, strict=False):
        panel.imshow(image[..., 0], cmap="gray_r", vmin=0, vmax=1)
        panel.set_title(title, fontsize=10)
    return figure


def draw_block(steps: Mapping[str, np.ndarray], *, channels: int = 5) -> Figure:
    """What a block's layers make of an image, by name, shape (side, side, channels): a row for each layer."""
    figure, panels = plt.subplots(len(steps), channels, figsize=(8, 1.6 * len(steps)), layout="constrained")
    limit = max(np.abs(values[..., :channels]).max() for values in steps.values())
    for row, (name, values) in zip(panels, steps.items(), strict=True):
        for channel, panel in enumerate(row):
            picture = panel.imshow(values[..., channel], cmap="PuOr", vmin=-limit, vmax=limit)
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
        row[0].set_ylabel(name, fontsize=10)
    figure.colorbar(picture, ax=panels, shrink=0.8, label=_("value"))
    return figure


def draw_counts(counts: Mapping[str, Mapping[str, int]], sent: Mapping[str, Mapping[str, int]]) -> Figure:
    """Two panels of bars by layer: how often something is done, and the bytes that alice sends for it.

    Both map the name of a kind, such as multiplications, to numbers by layer; the same layers in all.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    _grouped_bars(left, counts, [(BLUE, "/"), (ORANGE, "")])
    left.set_xscale("log")
    left.set_xlim(1, 30 * max(max(numbers.values()) for numbers in counts.values()))
    left.set_xlabel(_("how many"))
    kilobytes = {
        kind: {layer: value / 1000 for layer, value in values.items()} for kind, values in sent.items()
    }
    _grouped_bars(right, kilobytes, [(BLUE, "/"), (GREEN, "."), (ORANGE, "")])
    right.set_xlim(right=1.25 * max(max(values.values()) for values in kilobytes.values()))
    right.set_xlabel(_("kilobytes that alice sends"))
    return figure


def draw_ranges(activations: Mapping[str, np.ndarray], *, fraction_bits: int, largest: int) -> Figure:
    """How large the numbers are that leave each layer, as powers of two, between the engine's two limits.

    `largest` is the power of two that a number must stay below.
    """
    figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
    edges = np.arange(-fraction_bits - 4, largest + 4)
    for (name, values), (colour, line) in zip(activations.items(), _INKS, strict=False):
        sizes = np.log2(np.abs(values[values != 0]))
        shares, _edges = np.histogram(sizes, edges)
        axes.stairs(100 * shares / values.size, edges, color=colour, linestyle=line, linewidth=2, label=name)
    for power, label in ((-fraction_bits, _("one unit")), (largest, _("numbers wrap around"))):
        axes.axvline(power, color="black", linewidth=1)
        axes.text(
            power, 1.01, label, ha="center", va="bottom", fontsize=9, transform=axes.get_xaxis_transform()
        )
    axes.set_xticks(range(-fraction_bits, largest + 1, 4))
    axes.set_xticklabels([f"$2^{{{power}}}$" for power in range(-fraction_bits, largest + 1, 4)])
    axes.set_xlabel(_("size of a number"))
    axes.set_ylabel(_("% of the layer's numbers"))
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0.12, 1))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_rounding(accuracies: Mapping[int, float], exact: float) -> Figure:
    """Accuracy, from 0 to 1, against the bits after the point; a line for numbers that are not rounded."""
    figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
    axes.axhline(100 * exact, color="black", linewidth=1, linestyle="--", label=_("not rounded"))
    axes.plot(
        list(accuracies), [100 * share for share in accuracies.values()], "o-", color=BLUE, label=_("rounded")
    )
    axes.set_xticks(list(accuracies))
    axes.set_ylim(0, 105)
    axes.set_xlabel(_("bits after the point"))
    axes.set_ylabel(_("accuracy in %"))
    axes.legend(frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_designs(comparisons: Mapping[str, int]) -> Figure:
    """A bar for each way to build a network, by name: how many comparisons a question takes."""
    figure, axes = plt.subplots(figsize=(8, 0.8 + 0.45 * len(comparisons)), layout="constrained")
    bars = axes.barh(list(comparisons), list(comparisons.values()), color=ORANGE)
    axes.bar_label(bars, labels=[number(count) for count in comparisons.values()], padding=3)
    axes.set_xlim(right=1.2 * max(comparisons.values()))
    axes.set_xlabel(_("comparisons for one image"))
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _grouped_bars(axes, groups: Mapping[str, Mapping[str, float]], styles: Sequence[tuple[str, str]]) -> None:
    height = 0.8 / len(groups)
    for place, ((kind, values), (colour, hatch)) in enumerate(zip(groups.items(), styles, strict=True)):
        rows = np.arange(len(values)) + (place - (len(groups) - 1) / 2) * height
        bars = axes.barh(
            rows, list(values.values()), height, color=colour, hatch=hatch, edgecolor="white", label=kind
        )
        axes.bar_label(bars, labels=[number(value) for value in values.values()], padding=3, fontsize=8)
    axes.set_yticks(range(len(values)), list(values))
    axes.invert_yaxis()
    axes.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, 1.22), ncols=len(groups))
    axes.spines[["top", "right"]].set_visible(False)
