"""The figures of the lessons on private prediction, as matplotlib figures.

Leaves out everything else: nothing here computes on shares, and no other module needs this one.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.i18n import _, number
from course_lib.mpc.costs import Cost
from course_lib.mpc.spec import PARTIES

# Okabe and Ito's palette: told apart by people with any common form of colour blindness.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#BBBBBB"
_TOP_BYTE = np.uint64(56)


def draw_roles() -> Figure:
    """Who gives what to whom: the owner and the client at the sides, the three parties between them."""
    figure, axes = plt.subplots(figsize=(8.5, 3.4), layout="constrained")
    places = {party: (0.5, 0.85 - 0.35 * rank) for rank, party in enumerate(PARTIES)}
    for party, place in places.items():
        _box(axes, place, party, BLUE, "white")
    sides = {(0.08, 0.5): _("the owner\nhas the model"), (0.92, 0.5): _("the client\nhas the image")}
    for place, text in sides.items():
        _box(axes, place, text, "white", "black")
    arrows = [((0.17, 0.5), place, "->", "-") for place in places.values()]
    arrows += [((0.83, 0.5), place, "<->", "-") for place in places.values()]
    arrows += [((0.5, 0.78), (0.5, 0.57), "<->", "--"), ((0.5, 0.43), (0.5, 0.22), "<->", "--")]
    around = {"arrowstyle": "<->", "color": "#555555", "linestyle": "--", "connectionstyle": "arc3,rad=0.45"}
    axes.annotate("", (0.46, 0.22), (0.46, 0.78), arrowprops=around)
    for start, (x, y), style, line in arrows:
        end = (x + (0.07 if start[0] > 0.5 else -0.07), y) if start[0] != 0.5 else (x, y)
        axes.annotate("", end, start, arrowprops={"arrowstyle": style, "color": "#555555", "linestyle": line})
    axes.text(0.28, 0.02, _("shares of the weights,\nonce"), ha="center", va="bottom")
    axes.text(0.72, 0.02, _("shares of the question,\nshares of the answer"), ha="center", va="bottom")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.axis("off")
    return figure


def draw_kernels(rows: Mapping[str, np.ndarray]) -> Figure:
    """One row of small pictures for each entry of `rows`, arrays of shape (3, 3, 1, kernels)."""
    kernels = next(iter(rows.values())).shape[-1]
    figure, panels = plt.subplots(
        len(rows), kernels, figsize=(8.5, 0.95 * len(rows)), layout="constrained", squeeze=False
    )
    for (name, array), line in zip(rows.items(), panels, strict=True):
        limits = {"vmin": array.min(), "vmax": array.max()}
        for panel, kernel in zip(line, np.moveaxis(array, -1, 0), strict=True):
            panel.imshow(kernel[..., 0], cmap="gray", **limits)
            panel.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    return figure


def draw_shares(pictures: Mapping[str, np.ndarray]) -> Figure:
    """Each of `pictures`, uint64 of shape (28, 28), by its highest byte, over how often each byte occurs.

    Values below 2^56, as those of an encoded image, are drawn as they are.
    """
    figure, panels = plt.subplots(
        2, len(pictures), figsize=(9.5, 4), layout="constrained", height_ratios=(2, 1), squeeze=False
    )
    for column, (name, integers) in enumerate(pictures.items()):
        top, bottom = panels[:, column]
        small = integers.max() < np.uint64(1) << _TOP_BYTE
        top.imshow(integers if small else integers >> _TOP_BYTE, cmap="gray_r")
        top.set_title(name)
        top.axis("off")
        data = np.ascontiguousarray(integers).view(np.uint8).ravel()
        bottom.hist(data, bins=32, range=(0, 256), color=BLUE)
        bottom.set(xticks=(0, 255), yticks=[], xlabel=_("value of a byte"))
        bottom.spines[["top", "right", "left"]].set_visible(False)
    panels[1, 0].set_ylabel(_("how often"))
    return figure


def draw_logits(image: np.ndarray, logits: np.ndarray) -> Figure:
    """An image of shape (28, 28) beside its ten logits; the largest is orange and hatched."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained", width_ratios=(1, 2.4))
    left.imshow(image, cmap="gray_r")
    left.axis("off")
    bars = right.bar(range(len(logits)), logits, facecolor=BLUE, edgecolor=BLUE)
    bars[int(np.argmax(logits))].set(facecolor=ORANGE, hatch="//", edgecolor="white")
    right.axhline(0, color="black", linewidth=0.8)
    right.set_xticks(range(len(logits)))
    right.set_xlabel(_("digit"))
    right.set_ylabel(_("logit"))
    right.spines[["top", "right"]].set_visible(False)
    return figure


def draw_operations(cost: Cost, *, most: int = 6) -> Figure:
    """Where a query goes, operation by operation: one party's seconds, messages and bytes."""
    operations = [operation for operation in cost.operations if operation.seconds > 0 or operation.messages]
    chosen = sorted(operations, key=lambda each: (each.messages, each.seconds), reverse=True)[:most]
    figure, panels = plt.subplots(1, 3, figsize=(9.5, 2.8), layout="constrained", sharey=True)
    measures = (
        (_("milliseconds"), [each.seconds * 1000 for each in chosen], BLUE),
        (_("messages sent"), [each.messages for each in chosen], ORANGE),
        (_("kilobytes sent"), [each.sent_bytes / 1000 for each in chosen], GREEN),
    )
    for panel, (unit, values, colour) in zip(panels, measures, strict=True):
        bars = panel.barh([each.name for each in chosen], values, color=colour)
        panel.bar_label(bars, labels=[number(value) for value in values], padding=3)
        panel.set_xlim(right=max(*values, 1) * 1.25)
        panel.set_xlabel(unit)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].invert_yaxis()
    return figure


def draw_batches(seconds: Mapping[int, float], waits: Mapping[str, float]) -> Figure:
    """Seconds an image, by the images in a question; a bar for each of `waits`, seconds a question."""
    figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
    styles = ((BLUE, ""), (ORANGE, "//"), (GREEN, ".."))
    width = 0.8 / len(waits)
    for place, ((name, wait), (colour, hatch)) in enumerate(zip(waits.items(), styles, strict=False)):
        heights = [(computing + wait) / images for images, computing in seconds.items()]
        where = np.arange(len(seconds)) + (place - (len(waits) - 1) / 2) * width
        bars = axes.bar(where, heights, width, color=colour, hatch=hatch, edgecolor="white", label=name)
        axes.bar_label(bars, labels=[number(height, 2) for height in heights], padding=2, fontsize=8)
    axes.set_xticks(range(len(seconds)), [number(images) for images in seconds])
    axes.set_xlabel(_("images in a question"))
    axes.set_ylabel(_("seconds an image"))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_bars(values: Mapping[str, float], *, unit: str) -> Figure:
    """A bar for each of `values` on a logarithmic axis."""
    figure, axes = plt.subplots(figsize=(8, 0.7 + 0.4 * len(values)), layout="constrained")
    bars = axes.barh(list(values), list(values.values()), color=BLUE)
    axes.bar_label(bars, labels=[_rounded(value) for value in values.values()], padding=3)
    axes.set_xscale("log")
    axes.set_xlim(10 ** np.floor(np.log10(min(values.values()))), max(values.values()) * 4)
    axes.set_xlabel(unit)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _box(axes, place: Sequence[float], text: str, face: str, ink: str) -> None:
    box = {"boxstyle": "round,pad=0.5", "facecolor": face, "edgecolor": BLUE}
    axes.text(*place, text, ha="center", va="center", fontsize=11, color=ink, bbox=box, zorder=2)


def _rounded(value: float) -> str:
    """With as many digits as matter: whole from 10 upwards, else two."""
    return number(value) if value >= 10 else number(value, max(0, 1 - int(np.floor(np.log10(value)))))
