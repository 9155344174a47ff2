"""The figures of the lesson on an encrypted network, as matplotlib figures.

Leaves out everything else: nothing here encrypts, and no other module needs this one.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.polynomial import Polynomial

from course_lib.he.image_packing import ImageLayout
from course_lib.he.plan import Plan
from course_lib.he.wire import from_text
from course_lib.i18n import _, number

# Okabe and Ito's palette: told apart by people with any common form of colour blindness.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#BBBBBB"


def draw_layers(columns: dict[str, list[np.ndarray]]) -> Figure:
    """Small square arrays with their numbers written in: a column for each title, a row for each image."""
    rows = max(map(len, columns.values()))
    figure, panels = plt.subplots(rows, len(columns), figsize=(5.2, 1.3 * rows), layout="constrained")
    for place, (title, arrays) in enumerate(columns.items()):
        for panel, array in zip(panels[:, place], arrays, strict=True):
            panel.imshow(np.abs(array), cmap="Blues", vmin=0, vmax=2 * np.abs(arrays).max())
            for (row, column), value in np.ndenumerate(array):
                panel.text(column, row, number(value), ha="center", va="center", fontsize=9)
            panel.set(xticks=[], yticks=[])
        panels[0, place].set_title(title, fontsize=11)
    return figure


def draw_activations(fits: dict[str, Polynomial], *, fitted_to: float) -> Figure:
    """ReLU, its square, and polynomials that were fitted to ReLU from -fitted_to to fitted_to."""
    figure, panels = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained", width_ratios=(1, 1))
    styles = ((GREEN, "-."), (ORANGE, "--"), ("#555555", ":"))
    for panel, reach in zip(panels, (fitted_to, 2 * fitted_to), strict=True):
        x = np.linspace(-reach, reach, 400)
        panel.plot(x, np.maximum(x, 0), color=BLUE, linewidth=3, label="ReLU")
        panel.plot(x, x**2, color="black", linewidth=1, label="$x^2$")
        for (label, fit), (colour, style) in zip(fits.items(), styles, strict=False):
            panel.plot(x, fit(x), style, color=colour, linewidth=2, label=label)
        panel.set_xlim(-reach, reach)
        panel.set_ylim(-0.4 * reach, 1.3 * reach)
        panel.set_xlabel("x")
        panel.spines[["top", "right"]].set_visible(False)
    panels[1].axvspan(-fitted_to, fitted_to, color=GREY, alpha=0.35, linewidth=0)
    panels[0].set_title(_("where they were fitted"), fontsize=11)
    panels[1].set_title(_("further out"), fontsize=11)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    return figure


def draw_chain(plan: Plan) -> Figure:
    """The primes that are left after each step of a plan, and where the stored number ends among them."""
    steps, bits = plan.steps(), np.log2(plan.primes)
    figure, axes = plt.subplots(figsize=(8, 0.9 + 0.5 * len(steps)), layout="constrained")
    for row, step in enumerate(steps):
        left = 0.0
        for prime, width in enumerate(bits):
            there = prime < step.primes
            face = "#E8E8E8" if there else "white"
            axes.barh(row, width, left=left, color=face, edgecolor="#777777", linestyle="-" if there else ":")
            left += width
        axes.barh(row, step.scale_bits, color=BLUE, height=0.45)
        axes.text(
            step.scale_bits + 2, row, f"$2^{{{step.scale_bits:.0f}}}$", va="center", color=BLUE, fontsize=10
        )
    handles = [
        Rectangle((0, 0), 1, 1, facecolor=BLUE),
        Rectangle((0, 0), 1, 1, facecolor="#E8E8E8", edgecolor="#777777"),
        Rectangle((0, 0), 1, 1, facecolor="white", edgecolor="#777777", linestyle=":"),
    ]
    labels = (_("scale"), _("a prime"), _("a prime that is gone"))
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    axes.set_yticks(range(len(steps)), [step.name for step in steps])
    axes.set_xlabel(_("bits"))
    axes.set_xlim(0, sum(bits))
    axes.invert_yaxis()
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


def draw_views(image: np.ndarray, layout: ImageLayout, shown: tuple[tuple[int, int], ...]) -> Figure:
    """The padded image with the pixels of some views marked, and beside it these views on their own.

    `image` has shape (image, image); `shown` says at which row and column the views start.
    """
    shape = layout.shape
    side, reach = shape.image + 2 * shape.padding, shape.grid * shape.stride
    padded = np.pad(image, (shape.padding, shape.padding + reach))  # views may reach beyond the border
    figure, panels = plt.subplots(
        1, 1 + len(shown), figsize=(9, 3.4), layout="constrained", width_ratios=(2.2, *[1] * len(shown))
    )
    whole, *others = panels
    whole.imshow(padded[:side, :side], cmap="gray_r", vmax=2 * padded.max())
    kernel = shape.kernel
    whole.add_patch(Rectangle((-0.5, -0.5), kernel, kernel, fill=False, edgecolor="black", linewidth=2))
    for (row, column), colour, marker, view in zip(shown, (BLUE, ORANGE, GREEN), "os^", others, strict=False):
        part = padded[row : row + reach : shape.stride, column : column + reach : shape.stride]
        across, down = np.meshgrid(np.arange(column, side, shape.stride), np.arange(row, side, shape.stride))
        whole.plot(across.ravel(), down.ravel(), marker, color=colour, markersize=4)
        view.imshow(part, cmap="gray_r", vmin=0, vmax=padded.max())
        view.set_title(f"({row}, {column})", fontsize=11)
        view.set(xticks=[], yticks=[])
        for spine in view.spines.values():
            spine.set(edgecolor=colour, linewidth=2)
    whole.set(xticks=[], yticks=[])
    whole.set_title(_("the image with its border, and the kernel"), fontsize=11)
    return figure


def draw_feature_maps(image: np.ndarray, kernels: np.ndarray, maps: np.ndarray) -> Figure:
    """A digit, its kernels (maps, kernel, kernel), and the squares they make of it (maps, side, side)."""
    figure = plt.figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 4))
    axes = left.subplots()
    axes.imshow(image, cmap="gray_r")
    axes.axis("off")
    above, below = right.subfigures(2, 1)
    limit = np.abs(kernels).max()
    for part, title, arrays, colours in (
        (above, _("kernels"), kernels, {"cmap": "PuOr_r", "vmin": -limit, "vmax": limit}),
        (below, _("feature maps, squared"), maps, {"cmap": "Blues", "vmin": 0, "vmax": maps.max() / 2}),
    ):
        part.suptitle(title, fontsize=11)
        for panel, array in zip(part.subplots(2, len(arrays) // 2).flat, arrays, strict=True):
            panel.imshow(array, **colours)
            panel.axis("off")
    return figure


def draw_questions(image: np.ndarray, questions: list[str]) -> Figure:
    """A digit of shape (28, 28), and as many bytes of ciphertexts of it, which come in base64."""
    figure, panels = plt.subplots(1, 1 + len(questions), figsize=(8, 2.8), layout="constrained")
    panels[0].imshow(image, cmap="gray_r")
    panels[0].set_title(_("what the client has"), fontsize=11)
    for panel, question in zip(panels[1:], map(from_text, questions), strict=True):
        middle = len(question) // 2
        seen = np.frombuffer(question[middle : middle + 28 * 28], dtype=np.uint8).reshape(28, 28)
        panel.imshow(seen, cmap="gray_r")
        panel.set_title(_("what the service receives"), fontsize=11)
    for panel in panels:
        panel.axis("off")
    return figure


def draw_comparison(models: dict[str, dict[str, float]]) -> Figure:
    """A bar chart on a logarithmic axis for each kind of cost: a bar for each model."""
    titles = list(next(iter(models.values())))
    figure, panels = plt.subplots(1, len(titles), figsize=(10, 2.4), layout="constrained", sharey=True)
    for panel, title, colour in zip(panels, titles, (ORANGE, BLUE, GREEN, GREEN), strict=True):
        values = [costs[title] for costs in models.values()]
        bars = panel.barh(list(models), values, color=colour)
        panel.bar_label(bars, labels=[_short(value) for value in values], padding=3)
        panel.set_xscale("log")
        panel.set_xlim(min(values) / 3, max(values) * 20)
        panel.set_title(title, fontsize=11)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].invert_yaxis()
    return figure


def _short(value: float) -> str:
    """Whole from 10 upwards, else with one digit."""
    return number(value) if value >= 10 else number(value, 1)
