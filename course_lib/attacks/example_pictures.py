"""The figures on model inversion and adversarial examples.

Leaves out everything else: nothing here attacks or trains, and no other module needs this one.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter
from PIL import Image

from course_lib.i18n import _, number

if TYPE_CHECKING:
    import altair

# Okabe and Ito's palette: told apart by people with any common form of colour blindness.
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
_COLOURS, _STYLES = (GREEN, ORANGE, BLUE), (":", "--", "-")


def draw_rebuilt(rows: Mapping[str, np.ndarray], read: Mapping[str, np.ndarray]) -> Figure:
    """What was rebuilt of each class, one row for each attack, and how another model reads it.

    `rows` maps an attack's name to images (classes, 28, 28) in [0, 1], `read` to the labels read, (classes,).
    """
    classes = len(next(iter(rows.values())))
    height = 1.15 * len(rows)
    figure, axes = plt.subplots(
        len(rows), classes, figsize=(9.5, height), layout="constrained", squeeze=False
    )
    for panels, (name, images) in zip(axes, rows.items(), strict=True):
        for label, (panel, image) in enumerate(zip(panels, images, strict=True)):
            right = read[name][label] == label
            panel.imshow(image, cmap="gray_r", vmin=0, vmax=1)
            panel.set_title(f"{read[name][label]} {'✓' if right else '✗'}", fontsize=9)
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_color(BLUE if right else ORANGE)
        panels[0].set_ylabel(name, rotation=0, ha="right", va="center")
    return figure


def draw_changed(images: np.ndarray, changed: np.ndarray, before: np.ndarray, after: np.ndarray) -> Figure:
    """Images (n, 28, 28), what an attack adds, and the sum; `before`, `after` are its answers (n,)."""
    change = changed - images
    limit = 1.5 * max(float(np.abs(change).max()), 1e-9)
    figure, axes = plt.subplots(3, len(images), figsize=(1.35 * len(images) + 1.5, 4.6), layout="constrained")
    for column in range(len(images)):
        axes[0, column].imshow(images[column], cmap="gray_r", vmin=0, vmax=1)
        axes[0, column].set_title(f"→ {before[column]}")
        axes[1, column].imshow(change[column], cmap="PuOr_r", vmin=-limit, vmax=limit)
        axes[2, column].imshow(changed[column], cmap="gray_r", vmin=0, vmax=1)
        axes[2, column].set_title(f"→ {after[column]}")
    for panel in axes.flat:
        panel.set(xticks=[], yticks=[])
    for panel, name in zip(axes[:, 0], (_("image"), _("change"), _("sum")), strict=True):
        panel.set_ylabel(name, rotation=0, ha="right", va="center")
    return figure


def perturbation_chart(
    epsilons: Sequence[float], shares: Mapping[str, Sequence[float]], changed: np.ndarray, answers: np.ndarray
) -> "altair.VConcatChart":
    """Accuracy against ε, and what ε does to some digits, with a slider for ε.

    `shares` maps an attack's name to the accuracy at each epsilon; `changed` holds images
    (epsilons, n, 28, 28) in [0, 1], `answers` what the model says of them, (epsilons, n), rightly at first.
    """
    import altair  # it takes half a second to import

    step = round(epsilons[1] - epsilons[0], 4)
    bind = altair.binding_range(min=epsilons[0], max=epsilons[-1], step=step, name="ε ")
    chosen = f"abs(datum.epsilon - epsilon) < {step / 2}"
    digits = _digits_chart(epsilons, changed, answers, chosen)
    curves = _curves_chart(epsilons, shares, chosen)
    return altair.vconcat(digits, curves).add_params(altair.param("epsilon", value=0.1, bind=bind))


def _digits_chart(epsilons, changed, answers, chosen: str) -> "altair.LayerChart":
    import altair

    rows = [
        {
            "epsilon": round(value, 4),
            "place": place,
            "image": _data_address(image),
            "answer": f"→ {answer}",
            "right": bool(answer == first),
        }
        for value, images, given in zip(epsilons, changed, answers, strict=True)
        for place, (image, answer, first) in enumerate(zip(images, given, answers[0], strict=True))
    ]
    here = (
        altair.Chart(altair.Data(values=rows))
        .transform_filter(chosen)
        .encode(x=altair.X("place:O", axis=None))
    )
    colour = altair.condition("datum.right", altair.value(BLUE), altair.value("#A15C00"))
    return altair.layer(
        here.mark_image(width=72, height=72, y=40).encode(url="image:N"),
        here.mark_text(y=92, fontSize=16).encode(text="answer:N", color=colour),
    ).properties(width=520, height=104, view={"stroke": None})


def _curves_chart(epsilons, shares, chosen: str) -> "altair.LayerChart":
    import altair

    rows = [
        {"epsilon": round(value, 4), "share": round(share, 3), "attack": name}
        for name, of_attack in shares.items()
        for value, share in zip(epsilons, of_attack, strict=True)
    ]
    names = list(shares)
    colours = altair.Scale(domain=names, range=list(_COLOURS[: len(names)]))
    dashes = altair.Scale(domain=names, range=[[2, 3], [7, 4], [1, 0]][: len(names)])
    share = altair.Y(
        "share:Q",
        title=_("share of right answers"),
        axis=altair.Axis(format="%"),
        scale=altair.Scale(domain=[0, 1]),
    )
    curves = altair.Chart(altair.Data(values=rows)).encode(
        x=altair.X("epsilon:Q", title=_("ε, the largest change of a pixel")),
        y=share,
        color=altair.Color("attack:N", scale=colours, title=None),
    )
    points = curves.transform_filter(chosen)
    return altair.layer(
        curves.mark_line().encode(strokeDash=altair.StrokeDash("attack:N", scale=dashes, title=None)),
        points.mark_point(size=120, filled=True, opacity=1),
        points.mark_text(align="left", dx=9, dy=-9, fontSize=12).encode(
            text=altair.Text("share:Q", format=".0%")
        ),
    ).properties(width=520, height=240)


def draw_perturbation(
    epsilons: Sequence[float], shares: Mapping[str, Sequence[float]], changed: np.ndarray, answers: np.ndarray
) -> Figure:
    """The same for four values of ε, where nothing can be moved."""
    picks = np.linspace(0, len(epsilons) - 1, 4).round().astype(int)
    count = changed.shape[1]
    figure, axes = plt.subplot_mosaic(
        [[f"{row} {place}" for place in range(count)] + ["curve"] * count for row in range(len(picks))],
        figsize=(10, 4.2),
        layout="constrained",
    )
    for row, pick in enumerate(picks):
        for place in range(count):
            panel = axes[f"{row} {place}"]
            right = answers[pick, place] == answers[0, place]
            panel.imshow(changed[pick, place], cmap="gray_r", vmin=0, vmax=1)
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_color(BLUE if right else ORANGE)
            panel.set_xlabel(f"→ {answers[pick, place]}", fontsize=9)
        axes[f"{row} 0"].set_ylabel(f"ε = {number(epsilons[pick], 1)}")
    curve = axes["curve"]
    for (name, of_attack), colour, style in zip(shares.items(), _COLOURS, _STYLES, strict=False):
        curve.plot(epsilons, of_attack, color=colour, linestyle=style, linewidth=2, label=name)
    curve.set_xlabel(_("ε, the largest change of a pixel"))
    curve.set_ylabel(_("share of right answers"))
    curve.set_ylim(0, 1.02)
    curve.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: number(value, 2)))
    curve.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    curve.legend(frameon=False)
    curve.spines[["top", "right"]].set_visible(False)
    return figure


def _data_address(image: np.ndarray) -> str:
    """An image (28, 28) in [0, 1] as the address of a PNG with 16 greys, twice as large."""
    greys = (17 * ((1 - image) * 15).round()).astype(np.uint8)
    small = Image.fromarray(greys).resize((56, 56), Image.Resampling.NEAREST).quantize(16)
    png = io.BytesIO()
    small.save(png, format="png", optimize=True, bits=4)
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"
