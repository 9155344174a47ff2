"""The charts say in words what there is to see, tell nothing by colour alone, and become files."""

import io
import json

import numpy as np
import pandas as pd
import pytest
import vl_convert
from PIL import Image

from course_lib.figures import missing_glyphs
from course_lib.i18n import LANGUAGES, use_language
from course_lib.visualize.charts import (
    calibration_chart,
    comparison_chart,
    confusion_chart,
    importance_chart,
    roc_chart,
    thinned,
)
from course_lib.visualize.charts_files import as_png, as_svg
from course_lib.visualize.charts_rows import MOST_FEATURES, distributions_chart
from course_lib.visualize.charts_style import DASHES, GREY, INK, MOST_CLASSES, PALETTE, RIGHT, SHAPES, WRONG

CLASSES = ["cat", "dog", "emu"]
MATRIX = np.array([[8, 2, 0], [1, 9, 0], [0, 0, 5]])


def curves():
    return pd.DataFrame(
        {
            "class": np.repeat(CLASSES, 3),
            "false_positive_rate": [0, 0.1, 1] * 3,
            "true_positive_rate": [0, 0.8, 1, 0, 0.9, 1, 0, 1, 1],
        }
    )


def bins():
    return pd.DataFrame(
        {
            "class": np.repeat(CLASSES, 2),
            "predicted": [0.2, 0.8] * 3,
            "observed": [0.1, 0.9] * 3,
            "rows": [10, 30] * 3,
        }
    )


def rows(count=40, classes=CLASSES):
    generator = np.random.default_rng(0)
    true = generator.choice(classes, count)
    table = pd.DataFrame(generator.normal(size=(count, 5)), columns=["a.b", "[c]", "d:Q", "e'", "f"])
    return table.assign(true=true, predicted=np.where(np.arange(count) < 4, classes[0], true))


def charts():
    table = pd.DataFrame({"feature": ["width", "length"], "mean": [0.01, 0.3], "std": [0.01, 0.02]})
    scores = pd.DataFrame(
        {"model": ["tree", "forest"], "auc": [0.8, 0.9], "low": [0.7, 0.8], "high": [0.9, 1]}
    )
    return {
        "confusion": confusion_chart(MATRIX, CLASSES),
        "roc": roc_chart(curves(), CLASSES),
        "calibration": calibration_chart(bins(), CLASSES),
        "importance": importance_chart(table),
        "comparison": comparison_chart(scores),
        "distributions": distributions_chart(rows(), ["a.b", "[c]", "d:Q"]),
    }


def marks(chart) -> dict:
    """The marks that Vega draws, by role and type: what a reader gets to see."""
    found = {}

    def walk(item):
        if isinstance(item, dict):
            if "marktype" in item:
                found.setdefault((item.get("role", ""), item["marktype"]), []).extend(item.get("items", []))
            for value in item.values():
                walk(value)
        elif isinstance(item, list):
            for value in item:
                walk(value)

    walk(vl_convert.vegalite_to_scenegraph(chart.to_dict()))
    return found


def texts(chart) -> list[str]:
    return [item["text"] for (_role, kind), items in marks(chart).items() if kind == "text" for item in items]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_chart_has_a_description_in_words_and_can_be_drawn_in_every_language(language):
    with use_language(language):
        for name, chart in charts().items():
            assert len(chart.description) > 30 and "{" not in chart.description, name
            picture = Image.open(io.BytesIO(as_png(chart, scale=1)))
            assert picture.width > 200 and len(picture.convert("RGB").getcolors(1 << 24)) > 8, name


def test_the_description_of_the_confusion_matrix_names_the_worst_error():
    assert confusion_chart(MATRIX, CLASSES).description == (
        "Confusion matrix of 25 rows: 22 were predicted rightly. "
        "The most frequent error: cat taken for dog, 2 time(s)."
    )
    assert "error" not in confusion_chart(np.diag([3, 4]), ["a", "b"]).description


def test_the_confusion_matrix_is_in_counts_or_in_shares_of_the_true_class():
    assert [text for text in texts(confusion_chart(MATRIX, CLASSES)) if text.isdigit()] == list("820190005")
    shares = [text for text in texts(confusion_chart(MATRIX, CLASSES, shares=True)) if "%" in text]
    assert shares == ["80.0%", "20.0%", "0.0%", "10.0%", "90.0%", "0.0%", "0.0%", "0.0%", "100.0%"]


def test_a_class_without_rows_has_shares_of_zero_and_no_warning():
    empty = np.array([[0, 0], [1, 2]])
    assert "0.0%" in texts(confusion_chart(empty, ["a", "b"], shares=True))


def test_numbers_have_the_marks_of_the_readers_language():
    with use_language("de"):
        chart = confusion_chart(np.array([[1234, 1], [0, 10]]), ["a", "b"])
    assert "1.234" in texts(chart)
    with use_language("ja"):
        chart = confusion_chart(np.array([[1234, 1], [0, 10]]), ["a", "b"])
    assert "1,234" in texts(chart)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_number_in_the_confusion_matrix_can_be_read_on_its_square():
    counts = np.array([[share, 100 - share] for share in range(0, 101, 5)])
    side = np.zeros((21, 21), int)
    side[:, :2] = counts
    found = marks(confusion_chart(side, [f"{place:02}" for place in range(21)]))
    squares = {
        (round(item["x"] + item["width"] / 2), round(item["y"] + item["height"] / 2)): item["fill"]
        for item in found[("mark", "rect")]
    }
    numbers = [item for item in found[("mark", "text")]]
    assert len(squares) == len(numbers) == 21 * 21
    for item in numbers:
        square = squares[(round(item["x"]), round(item["y"]))]
        red, green, blue = (int(part) for part in square[4:-1].split(","))
        ink = {"white": "#FFFFFF", "black": "#000000"}[item["fill"]]
        assert contrast(f"#{red:02x}{green:02x}{blue:02x}", ink) >= 4.5, (square, ink)


def test_lines_points_and_words_stand_out_from_white():
    assert contrast(INK, "#FFFFFF") >= 7 and contrast(GREY, "#FFFFFF") >= 4.5
    # What is lighter than 3:1 is told apart by its shape or dash, and by its words.
    assert len(PALETTE) == len(set(SHAPES)) == len(set(DASHES)) == MOST_CLASSES
    assert abs(luminance(RIGHT) - luminance(WRONG)) > 0.2, "right and wrong differ also in grey"


def test_classes_differ_in_dash_and_shape_as_in_colour():
    lines = [item for item in marks(roc_chart(curves(), CLASSES))[("mark", "line")]]
    strokes = {json.dumps([item["stroke"], item.get("strokeDash")]) for item in lines}
    assert len(strokes) == len(CLASSES) + 1  # and the diagonal
    points = marks(calibration_chart(bins(), CLASSES))[("mark", "symbol")]
    pairs = {(item["fill"], item["shape"]) for item in points}
    assert len(pairs) == len({shape for _fill, shape in pairs}) == len(CLASSES)


def test_a_misclassified_row_bears_a_cross_in_every_scatter_plot():
    chart = distributions_chart(rows(), ["a.b", "[c]", "d:Q"])
    table = rows()
    wrong = int((table["true"] != table["predicted"]).sum())
    assert wrong and f"cross: {wrong}." in chart.description
    symbols = marks(chart)[("mark", "symbol")]
    crosses = [
        item for item in symbols if item.get("stroke") == INK and item.get("fill") in (None, "transparent")
    ]
    assert len(crosses) == 3 * wrong and len(symbols) == 3 * (len(table) + wrong)


def test_odd_names_of_features_stay_titles_and_never_become_expressions():
    chart = distributions_chart(rows(), ["a.b", "e'"])
    assert {"a.b", "e'"} <= set(texts(chart))


@pytest.mark.parametrize("features", [[], ["f"], ["f"] * (MOST_FEATURES + 1)])
def test_one_feature_or_five_are_refused_in_a_sentence(features):
    with pytest.raises(ValueError, match=f"Two to 4 features were expected, not {len(features)}"):
        distributions_chart(rows(), features)


def test_more_classes_than_anyone_tells_apart_are_put_together():
    many = [f"class {letter}" for letter in "abcdefghijkl"]
    chart = distributions_chart(rows(400, many), ["f", "a.b"])
    symbols = marks(chart)[("mark", "symbol")]
    assert len({item["fill"] for item in symbols if item.get("fill") in PALETTE}) == MOST_CLASSES
    assert "other classes" in texts(chart)


def test_importance_is_sorted_and_cut():
    table = pd.DataFrame({"feature": [f"f{i}" for i in range(30)], "mean": range(30), "std": 0.1})
    chart = importance_chart(table, most=5)
    bars = marks(chart)[("mark", "rect")]
    assert len(bars) == 5
    assert [text for text in texts(chart) if text.startswith("f")] == ["f29", "f28", "f27", "f26", "f25"]


def test_a_thinned_curve_keeps_its_ends():
    curve = pd.DataFrame({"x": np.arange(5000)})
    thin = thinned(curve, most=100)["x"].to_numpy()
    assert (thin[0], thin[-1], len(thin)) == (0, 4999, 100)
    assert thinned(curve.head(10), most=100) is not None and len(thinned(curve.head(10), most=100)) == 10


@pytest.mark.parametrize(("language", "font"), [("ja", "Course Sans JP"), ("zh-CN", "Course Sans SC")])
def test_the_courses_own_font_has_a_glyph_for_every_letter_of_every_chart(language, font):
    with use_language(language):
        letters = "".join(text for chart in charts().values() for text in texts(chart))
        assert font in charts()["roc"].to_dict()["config"]["font"]
    assert letters and missing_glyphs(letters + "花弁" * (language == "ja"), [font]) == ""


def test_the_words_of_an_svg_stay_words():
    with use_language("zh-CN"):
        svg = as_svg(confusion_chart(MATRIX, ["鸢尾", "狗", "鸟"])).decode()
    assert "鸢尾" in svg and "Course Sans SC" in svg


def test_a_chart_that_wants_data_from_the_network_is_refused():
    import altair as alt

    chart = alt.Chart("http://127.0.0.1:9/rows.csv").mark_point().encode(x="x:Q")
    with pytest.raises(ValueError, match="127.0.0.1"):
        as_png(chart)
