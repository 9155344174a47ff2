"""The figures of the lesson on encrypted inference, as matplotlib figures.

Leaves out everything else: nothing here encrypts, and no other module needs this one.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.he.packing import WeightLayout
from course_lib.he.parameters import Parameters
from course_lib.i18n import _, number

# Okabe and Ito's palette: told apart by people with any common form of colour blindness.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#BBBBBB"


def draw_bits(parameters: Parameters, *, noise_bits: dict[str, tuple[int, int]]) -> Figure:
    """Where the bits of a stored number go; `noise_bits` maps a row's name to (noise, scale) in bits."""
    total = parameters.coeff_modulus_bits[0]
    figure, axes = plt.subplots(figsize=(8, 0.9 + 0.6 * len(noise_bits)), layout="constrained")
    for row, (noise, scale) in enumerate(noise_bits.values()):
        parts = [(noise, ORANGE, "//"), (scale - noise, BLUE, ""), (total - scale, GREY, "..")]
        left = 0
        for width, colour, hatch in parts:
            axes.barh(row, width, left=left, color=colour, hatch=hatch, edgecolor="white")
            left += width
    labels = (_("noise"), _("digits after the point"), _("digits before the point, and the sign"))
    handles = [plt.Rectangle((0, 0), 1, 1, facecolor=c, hatch=h, edgecolor="white") for _w, c, h in parts]
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    axes.set_yticks(range(len(noise_bits)), list(noise_bits))
    axes.set_xlabel(_("bits"))
    axes.set_xlim(0, total)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_weights(weights: np.ndarray) -> Figure:
    """One image for each row of `weights`, shape (10, 784): what speaks for a digit, and what against."""
    figure, axes = plt.subplots(2, 5, figsize=(8, 3.6), layout="constrained")
    limit = np.abs(weights).max() / 2
    for digit, (panel, row) in enumerate(zip(axes.flat, weights, strict=True)):
        image = panel.imshow(row.reshape(28, 28), cmap="PuOr_r", vmin=-limit, vmax=limit)
        panel.set_title(str(digit))
        panel.axis("off")
    figure.colorbar(image, ax=axes, label=_("weight"), shrink=0.8)
    return figure


def draw_lanes(layout: WeightLayout, *, slots: int = 32) -> Figure:
    """For the first `slots` slots, which feature each one meets and for which class, shift by shift."""
    slot = np.arange(slots)
    shifts = [shift for group in layout.shifts for shift in group]
    classes = np.array([(slot - shift) % layout.lanes for shift in shifts])
    figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
    shown = np.where(classes < layout.classes, classes, np.nan)
    image = axes.imshow(shown, cmap=plt.get_cmap("cividis", 10), vmin=-0.5, vmax=9.5, aspect="auto")
    for (row, column), value in np.ndenumerate(classes):
        if value < layout.classes:
            ink = "white" if value < layout.classes / 2 else "black"
            axes.text(column, row, str(value), ha="center", va="center", fontsize=7, color=ink)
    axes.set_xlabel(_("slot (its pixel stands still)"))
    axes.set_ylabel(_("shift"))
    axes.set_yticks(range(len(shifts)), shifts)
    figure.colorbar(image, ticks=range(10), label=_("class whose weight is there"))
    return figure


def draw_wire(image: np.ndarray, ciphertext: bytes) -> Figure:
    """A digit of shape (28, 28), and as many bytes of its ciphertext drawn the same way."""
    figure, axes = plt.subplots(1, 3, figsize=(8, 2.8), layout="constrained")
    middle = len(ciphertext) // 2
    seen = np.frombuffer(ciphertext[middle : middle + 28 * 28], dtype=np.uint8).reshape(28, 28)
    axes[0].imshow(image, cmap="gray_r")
    axes[0].set_title(_("what the client has"))
    axes[1].imshow(seen, cmap="gray_r")
    axes[1].set_title(_("what the service receives"))
    for panel in axes[:2]:
        panel.axis("off")
    axes[2].hist(np.frombuffer(ciphertext, dtype=np.uint8), bins=64, range=(0, 256), color=BLUE)
    axes[2].set_title(_("how often each byte occurs"))
    axes[2].set_xlabel(_("value of the byte"))
    axes[2].spines[["top", "right"]].set_visible(False)
    return figure


def draw_scores(image: np.ndarray, decrypted: np.ndarray, plain: np.ndarray) -> Figure:
    """A digit of shape (28, 28) beside its ten scores, decrypted (bars) and computed in the open (dots)."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained", width_ratios=(1, 2.4))
    left.imshow(image, cmap="gray_r")
    left.axis("off")
    right.bar(range(len(decrypted)), decrypted, color=BLUE, label=_("decrypted"))
    right.plot(range(len(plain)), plain, "o", color=ORANGE, label=_("without encryption"))
    right.set_xticks(range(len(plain)))
    right.set_xlabel(_("digit"))
    right.set_ylabel(_("score"))
    right.legend(frameon=False)
    right.spines[["top", "right"]].set_visible(False)
    return figure


def draw_costs(milliseconds: dict[str, float], kilobytes: dict[str, float]) -> Figure:
    """Two bar charts on logarithmic axes: what each step takes, and what each message weighs."""
    figure, panels = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
    figure.get_layout_engine().set(wspace=0.08)
    for panel, costs, unit, colour in (
        (panels[0], milliseconds, _("milliseconds"), BLUE),
        (panels[1], kilobytes, _("kilobytes"), GREEN),
    ):
        bars = panel.barh(list(costs), list(costs.values()), color=colour)
        panel.bar_label(bars, labels=[_rounded(cost) for cost in costs.values()], padding=3)
        panel.set_xscale("log")
        panel.set_xlim(right=max(costs.values()) * 20)
        panel.set_xlabel(unit)
        panel.invert_yaxis()
        panel.spines[["top", "right"]].set_visible(False)
    return figure


def _rounded(cost: float) -> str:
    """A cost with as many digits as matter: whole from 10 upwards, else two."""
    return number(cost) if cost >= 10 else number(cost, max(0, 1 - int(np.floor(np.log10(cost)))))
