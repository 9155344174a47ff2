"""The figures of the lesson on secret sharing, as matplotlib figures.

Leaves out everything else: nothing here shares a secret, and no other module needs this one.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.i18n import _, number

# Okabe and Ito's palette: told apart by people with any common form of colour blindness.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#BBBBBB"
_NAMES = ("alice", "bob", "carol")


def draw_images(images: dict[str, np.ndarray]) -> Figure:
    """Square arrays of numbers side by side, by title: the larger the darker."""
    figure, panels = plt.subplots(1, len(images), figsize=(8, 2), layout="constrained")
    for panel, (title, image) in zip(panels, images.items(), strict=True):
        panel.imshow(np.asarray(image, dtype=np.float64), cmap="gray_r")
        panel.set_title(title, fontsize=10)
        panel.axis("off")
    return figure


def draw_histograms(samples: dict[str, np.ndarray]) -> Figure:
    """How often the bytes 0 to 255 occur in each sample, by title; four neighbours share a bar."""
    figure, panels = plt.subplots(1, len(samples), figsize=(8, 2.4), layout="constrained")
    for panel, (title, sample) in zip(panels, samples.items(), strict=True):
        values = np.frombuffer(sample.tobytes(), dtype=np.uint8)
        panel.hist(values, bins=64, range=(0, 256), weights=np.full(values.size, 1 / values.size), color=BLUE)
        panel.set_title(title, fontsize=10)
        panel.set_xlabel(_("value of the byte"))
        panel.set_ylabel(_("share of all bytes"))
        panel.spines[["top", "right"]].set_visible(False)
    return figure


def draw_ring() -> Figure:
    """The integers modulo 2^64 as a clock: where positive and negative numbers lie."""
    figure, axes = plt.subplots(figsize=(5.2, 4), layout="constrained")
    half = np.linspace(0, np.pi, 100)
    axes.plot(np.sin(half), np.cos(half), color=BLUE, linewidth=6)
    axes.plot(-np.sin(half), np.cos(half), color=ORANGE, linewidth=6, linestyle=(0, (2, 0.6)))
    axes.text(0.72, 0, _("positive"), ha="right", va="center", color=BLUE, fontsize=12)
    axes.text(-0.72, 0, _("negative"), ha="left", va="center", color="#8A5F00", fontsize=12)
    for turn, label in (
        (0, "0"),
        (0.125, "$2^{61}$"),
        (0.25, "$2^{62}$"),
        (0.5, "$2^{63}$"),
        (0.75, "$2^{64}-2^{62}$"),
        (0.97, "$2^{64}-1$"),
    ):
        x, y = np.sin(2 * np.pi * turn), np.cos(2 * np.pi * turn)
        axes.plot(x, y, "o", color="black")
        axes.text(
            1.2 * x,
            1.18 * y,
            label,
            ha="center" if abs(x) < 0.1 else "left" if x > 0 else "right",
            va="center",
        )
    axes.set_xlim(-2, 2)
    axes.set_ylim(-1.35, 1.35)
    axes.set_aspect("equal")
    axes.axis("off")
    return figure


def draw_products() -> Figure:
    """The nine products of three parts and three parts, and who makes which."""
    figure, axes = plt.subplots(figsize=(5.2, 3), layout="constrained")
    colours, inks = (BLUE, ORANGE, GREY), ("white", "black", "black")
    for row in range(3):
        for column in range(3):
            # Party r holds parts r and r + 1: of two parts that differ, the one before the other says who.
            maker = row if (column - row) % 3 < 2 else column
            axes.add_patch(
                plt.Rectangle((column, row), 1, 1, facecolor=colours[maker], edgecolor="white", linewidth=3)
            )
            axes.text(
                column + 0.5,
                row + 0.5,
                f"$x_{row}\\,y_{column}$\n{_NAMES[maker]}",
                ha="center",
                va="center",
                color=inks[maker],
                fontsize=12,
            )
    axes.set_xticks(np.arange(3) + 0.5, [f"$y_{part}$" for part in range(3)])
    axes.set_yticks(np.arange(3) + 0.5, [f"$x_{part}$" for part in range(3)])
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=12)
    axes.set_xlim(0, 3)
    axes.set_ylim(3, 0)
    axes.spines[:].set_visible(False)
    return figure


def draw_errors(errors: np.ndarray) -> Figure:
    """A histogram of truncation's errors, in units of the last bit."""
    figure, axes = plt.subplots(figsize=(6, 2.6), layout="constrained")
    axes.hist(errors, bins=60, range=(-1.5, 1.5), color=BLUE)
    for edge in (-1, 1):
        axes.axvline(edge, color="black", linestyle=":")
    axes.set_xlabel(_("error of a truncated number, in units"))
    axes.set_ylabel(_("how many numbers"))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_costs(rounds: dict[str, int], sent: dict[str, int]) -> Figure:
    """Two bar charts: rounds, and kilobytes that alice sends, by "linear", "average pooling" and "ReLU"."""
    names = {"linear": _("linear layers"), "average pooling": _("average pooling"), "ReLU": "ReLU"}
    figure, panels = plt.subplots(1, 2, figsize=(8, 2.2), layout="constrained", sharey=True)
    for panel, costs, unit, colour in (
        (panels[0], rounds, _("rounds"), BLUE),
        (panels[1], {kind: sent[kind] / 1000 for kind in sent}, _("kilobytes that alice sends"), ORANGE),
    ):
        bars = panel.barh([names[kind] for kind in costs], list(costs.values()), color=colour)
        panel.bar_label(bars, labels=[number(cost) for cost in costs.values()], padding=3)
        panel.set_xlim(right=max(costs.values()) * 1.15)
        panel.set_xlabel(unit)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].invert_yaxis()
    return figure
