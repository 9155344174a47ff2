"""The figures of inversion, adversarial examples and the audit show what they are given."""

import base64
import io
import json

import numpy as np
import vl_convert
from matplotlib import pyplot as plt
from PIL import Image

from course_lib.attacks.audit_pictures import draw_audit
from course_lib.attacks.example_pictures import (
    draw_changed,
    draw_perturbation,
    draw_rebuilt,
    perturbation_chart,
)

EPSILONS = [0.0, 0.1, 0.2]
IMAGES = np.random.default_rng(1).random((3, 2, 28, 28))
ANSWERS = np.array([[7, 2], [7, 3], [8, 3]])
SHARES = {"random": [0.9, 0.9, 0.8], "FGSM": [0.9, 0.4, 0.1], "PGD": [0.9, 0.3, 0.0]}


def rows_of(chart):
    return [row for part in chart.to_dict()["vconcat"] for row in part["data"]["values"]]


def test_the_moving_figure_holds_each_image_and_each_share():
    rows = rows_of(perturbation_chart(EPSILONS, SHARES, IMAGES, ANSWERS))
    digits = {(row["epsilon"], row["place"]): row for row in rows if "image" in row}
    assert len(digits) == 6
    for (number, place), answer in np.ndenumerate(ANSWERS):
        row = digits[EPSILONS[number], place]
        assert row["answer"] == f"→ {answer}" and row["right"] == (answer == ANSWERS[0, place])
        drawn = Image.open(io.BytesIO(base64.b64decode(row["image"].partition(",")[2]))).convert("L")
        ink = 1 - np.asarray(drawn, dtype=float)[::2, ::2] / 255
        assert np.abs(ink - IMAGES[number, place]).max() < 0.1
    shares = {(row["attack"], row["epsilon"]): row["share"] for row in rows if "share" in row}
    assert shares == {(name, e): s for name in SHARES for e, s in zip(EPSILONS, SHARES[name], strict=True)}


def test_the_moving_figure_is_drawn_by_the_vega_lite_of_jupyterlab_and_follows_the_slider():
    chart = perturbation_chart(EPSILONS, SHARES, IMAGES, ANSWERS).to_dict()
    drawings = []
    for value in EPSILONS:
        (slider,) = chart["params"]
        assert slider["name"] == "epsilon" and slider["bind"]["step"] == 0.1
        slider["value"] = value
        chart["$schema"] = "https://vega.github.io/schema/vega-lite/v5.json"
        drawings.append(vl_convert.vegalite_to_svg(json.dumps(chart), vl_version="5.20"))
    assert [drawing.count("<image") for drawing in drawings] == [2, 2, 2]
    assert [[f"→ {digit}" in drawing for digit in (7, 2, 3, 8)] for drawing in drawings] == [
        [True, True, False, False],
        [True, False, True, False],
        [False, False, True, True],
    ]
    assert "90%" in drawings[0] and "30%" in drawings[1] and "80%" in drawings[2]


def test_a_rebuilt_class_is_ticked_where_the_judge_is_right():
    figure = draw_rebuilt(
        {"white box": IMAGES[0], "black box": IMAGES[1]}, {"white box": [0, 1], "black box": [0, 8]}
    )
    assert [axes.get_title() for axes in figure.axes] == ["0 ✓", "1 ✓", "0 ✓", "8 ✗"]
    plt.close(figure)


def test_a_changed_image_is_the_image_and_its_change():
    figure = draw_changed(IMAGES[0], IMAGES[1], ANSWERS[0], ANSWERS[1])
    shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    assert np.allclose(shown[0] + shown[2], shown[4]) and np.allclose(shown[1] + shown[3], shown[5])
    assert [axes.get_title() for axes in figure.axes] == ["→ 7", "→ 2", "", "", "→ 7", "→ 3"]
    plt.close(figure)


def test_the_still_figure_has_a_curve_for_each_attack():
    figure = draw_perturbation(EPSILONS, SHARES, IMAGES, ANSWERS)
    (curve,) = (axes for axes in figure.axes if axes.lines)
    drawn = {line.get_label(): line.get_ydata().tolist() for line in curve.lines}
    assert drawn == SHARES
    plt.close(figure)


def test_the_audit_stands_beside_its_promise():
    included, guessed = np.array([True, False] * 4), np.array([1, -1, 0, 0, 0, 0, 1, -1])
    figure = draw_audit(np.arange(8.0), included, guessed, [(1.0, 0.2), (8.0, 2.6), (np.inf, 4.2)], most=4.2)
    left, right = figure.axes
    assert sum(bar.get_height() for bar in left.patches) == 8
    assert [bar.get_height() for bar in right.patches] == [1.0, 8.0, 0.2, 2.6, 4.2]
    assert [label.get_text() for label in right.get_xticklabels()] == ["ε = 1", "ε = 8", "no noise"]
    plt.close(figure)
