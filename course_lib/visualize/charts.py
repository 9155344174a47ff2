"""How good a classifier is, as Altair charts: confusion, ROC, calibration, importance, comparison.

Promises: a chart says in its ``description`` what there is to see, in the reader's language, for those who
cannot see it; nothing is told by colour alone. Each function takes a small table that anyone can make.
Leaves out drawing on a page (`course_lib.visualize.app`), files (`charts_files`) and the single rows
(`charts_rows`). A curve is drawn with as many points as it is given: thin it before, see `thinned`.
"""

import altair as alt
import numpy as np
import pandas as pd

from course_lib.i18n import _, number
from course_lib.visualize.charts_style import GREY, INK, RIGHT, class_colour, class_dash, class_shape, styled

_SHARE = alt.Axis(format="%", tickCount=5)


def confusion_chart(matrix: np.ndarray, classes: list[str], *, shares: bool = False) -> alt.LayerChart:
    """The confusion matrix (true classes, predicted classes) in counts, or in shares of each true class.

    >>> chart = confusion_chart(np.array([[9, 1], [0, 10]]), ["cat", "dog"])
    >>> chart.description
    'Confusion matrix of 20 rows: 19 were predicted rightly. The most frequent error: cat taken for dog, ...'
    """
    matrix = np.asarray(matrix)
    sums = matrix.sum(axis=1, keepdims=True)
    parts = np.divide(matrix, sums, out=np.zeros(matrix.shape), where=sums > 0)
    cells = pd.DataFrame(
        {
            "true": np.repeat(classes, len(classes)),
            "predicted": np.tile(classes, len(classes)),
            "rows": matrix.ravel(),
            "share": parts.ravel().round(4),
        }
    )
    size = min(70, 420 // len(classes))
    base = alt.Chart(cells).encode(
        x=alt.X(
            "predicted:N",
            sort=classes,
            title=_("predicted class"),
            axis=alt.Axis(labelAngle=0 if len(classes) < 5 else -40),
        ),
        y=alt.Y("true:N", sort=classes, title=_("true class")),
        tooltip=[
            alt.Tooltip("true:N", title=_("true class")),
            alt.Tooltip("predicted:N", title=_("predicted class")),
            alt.Tooltip("rows:Q", title=_("rows"), format=","),
            alt.Tooltip("share:Q", title=_("share of the true class"), format=".1%"),
        ],
    )
    fill = alt.Color("share:Q", scale=alt.Scale(range=["#F4F8FB", "#00406B"], domain=[0, 1]), legend=None)
    squares = base.mark_rect(stroke="white", strokeWidth=2).encode(color=fill)
    words = base.mark_text(fontSize=15 if len(classes) < 8 else 11).encode(
        text=alt.Text("share:Q", format=".1%") if shares else alt.Text("rows:Q", format=","),
        color=alt.condition("datum.share > 0.668", alt.value("white"), alt.value("black")),
    )
    side = max(220, size * len(classes))
    chart = alt.layer(squares, words, width=int(1.4 * side), height=side)
    return styled(chart, alternative=_confusion_in_words(matrix, classes))


def roc_chart(curves: pd.DataFrame, classes: list[str]) -> alt.LayerChart:
    """ROC curves, each class against the rest; `curves` holds class, false_positive_rate, true_positive_rate.

    >>> curves = pd.DataFrame(
    ...     {"class": "dog", "false_positive_rate": [0, 0, 1], "true_positive_rate": [0, 0.9, 1]}
    ... )
    >>> roc_chart(curves, ["dog"]).description
    'ROC curves. True positive rate where the false positive rate is 10 percent: dog 91 percent.'
    """
    lines = (
        alt.Chart(curves)
        .mark_line(strokeWidth=2.5, interpolate="linear")
        .encode(
            x=alt.X("false_positive_rate:Q", title=_("false positive rate"), axis=_SHARE),
            y=alt.Y("true_positive_rate:Q", title=_("true positive rate"), axis=_SHARE),
            order=alt.Order("false_positive_rate:Q"),
            color=class_colour(classes, _("class")),
            strokeDash=class_dash(classes, _("class")),
        )
    )
    at_ten = {
        name: np.interp(0.1, *_ends(curve["false_positive_rate"], curve["true_positive_rate"]))
        for name, curve in curves.groupby("class", sort=False)
    }
    words = _(
        "ROC curves. True positive rate where the false positive rate is 10 percent: {classes}."
    ).format(classes=_percents(at_ten))
    return styled(alt.layer(_diagonal(), lines, height=320), alternative=words)


def calibration_chart(bins: pd.DataFrame, classes: list[str]) -> alt.LayerChart:
    """How often that which was predicted with a probability came true.

    `bins` holds class, predicted (mean probability), observed (share), rows: a row for each bin and class.

    >>> bins = pd.DataFrame({"class": "dog", "predicted": [0.1, 0.9], "observed": [0.2, 0.9], "rows": [5, 5]})
    >>> calibration_chart(bins, ["dog"]).description
    'Calibration curves. Mean distance between predicted probability and observed share: dog 5 percent.'
    """
    base = alt.Chart(bins).encode(
        x=alt.X("predicted:Q", title=_("predicted probability"), axis=_SHARE, scale=alt.Scale(domain=[0, 1])),
        y=alt.Y("observed:Q", title=_("observed share"), axis=_SHARE, scale=alt.Scale(domain=[0, 1])),
        color=class_colour(classes, _("class")),
    )
    lines = base.mark_line(strokeWidth=1.5).encode(strokeDash=class_dash(classes, _("class")))
    points = base.mark_point(filled=True, opacity=1).encode(
        shape=class_shape(classes, _("class")),
        size=alt.Size("rows:Q", scale=alt.Scale(range=[40, 320], type="sqrt"), legend=None),
        tooltip=[
            alt.Tooltip("class:N", title=_("class")),
            alt.Tooltip("predicted:Q", title=_("predicted probability"), format=".1%"),
            alt.Tooltip("observed:Q", title=_("observed share"), format=".1%"),
            alt.Tooltip("rows:Q", title=_("rows"), format=","),
        ],
    )
    distances = {
        name: np.average((curve["predicted"] - curve["observed"]).abs(), weights=curve["rows"])
        for name, curve in bins.groupby("class", sort=False)
    }
    words = _(
        "Calibration curves. Mean distance between predicted probability and observed share: {classes}."
    ).format(classes=_percents(distances))
    return styled(alt.layer(_diagonal(), lines, points, height=320), alternative=words)


def importance_chart(importances: pd.DataFrame, *, most: int = 15) -> alt.LayerChart:
    """How much is lost when a feature is shuffled; `importances` holds feature, mean, std, a row each.

    The `most` important features are drawn, with one standard deviation to both sides.

    >>> table = pd.DataFrame({"feature": ["width", "length"], "mean": [0.3, 0.01], "std": [0.02, 0.01]})
    >>> importance_chart(table).description
    'Permutation importance of 2 features. The most important: width 0.300, length 0.010.'
    """
    top = importances.sort_values("mean", ascending=False, kind="stable").head(most)
    shown = top.assign(low=top["mean"] - top["std"], high=top["mean"] + top["std"]).round(5)
    features = alt.Y("feature:N", sort=list(top["feature"]), title=None)
    base = alt.Chart(shown).encode(y=features)
    title = _("permutation importance: loss of AUC")
    bars = base.mark_bar(color=RIGHT, height={"band": 0.6}).encode(
        x=alt.X("mean:Q", title=title, axis=alt.Axis(tickCount=5)),
        tooltip=[
            alt.Tooltip("feature:N", title=_("feature")),
            alt.Tooltip("mean:Q", title=_("mean"), format=".4f"),
            alt.Tooltip("std:Q", title=_("standard deviation"), format=".4f"),
        ],
    )
    spread = base.mark_rule(color=INK, strokeWidth=2).encode(x="low:Q", x2="high:Q")
    words = _("Permutation importance of {count} features. The most important: {features}.").format(
        count=number(len(importances)),
        features=", ".join(
            f"{row.feature} {number(row.mean, 3)}" for row in top.head(3).itertuples(index=False)
        ),
    )
    return styled(alt.layer(bars, spread, height=max(120, 28 * len(top))), alternative=words)


def comparison_chart(scores: pd.DataFrame) -> alt.LayerChart:
    """AUC with its confidence interval, a line for each model; `scores` holds model, auc, low, high.

    >>> scores = pd.DataFrame({"model": ["tree"], "auc": [0.8], "low": [0.7], "high": [0.9]})
    >>> comparison_chart(scores).description
    'AUC with its confidence interval: tree 0.800 (0.700 to 0.900).'
    """
    names = alt.Axis(labelLimit=420)
    base = alt.Chart(scores).encode(y=alt.Y("model:N", sort=list(scores["model"]), title=None, axis=names))
    rules = base.mark_rule(color=RIGHT, strokeWidth=4).encode(
        x=alt.X(
            "low:Q",
            title=_("AUC with its confidence interval"),
            scale=alt.Scale(zero=False, nice=True),
            axis=alt.Axis(tickCount=5),
        ),
        x2="high:Q",
    )
    points = base.mark_point(filled=True, size=160, color=INK, opacity=1).encode(x="auc:Q")
    words = _("AUC with its confidence interval: {models}.").format(
        models="; ".join(
            _("{model} {auc} ({low} to {high})").format(
                model=row.model, auc=number(row.auc, 3), low=number(row.low, 3), high=number(row.high, 3)
            )
            for row in scores.itertuples(index=False)
        )
    )
    return styled(alt.layer(rules, points, height=60 + 40 * len(scores)), alternative=words)


def thinned(curve: pd.DataFrame, *, most: int = 200) -> pd.DataFrame:
    """At most `most` rows of a `curve`, evenly spread, with the first and the last.

    >>> thinned(pd.DataFrame({"x": range(1000)}), most=3)["x"].tolist()
    [0, 500, 999]
    """
    if len(curve) <= most:
        return curve
    return curve.iloc[np.linspace(0, len(curve) - 1, most).round().astype(int)]


def _diagonal() -> alt.Chart:
    ends = pd.DataFrame({"x": [0, 1], "y": [0, 1]})
    return alt.Chart(ends).mark_line(color=GREY, strokeDash=[3, 4], strokeWidth=1.5).encode(x="x:Q", y="y:Q")


def _ends(false_positives: pd.Series, true_positives: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    order = np.lexsort((true_positives, false_positives))
    return np.asarray(false_positives)[order], np.asarray(true_positives)[order]


def _percents(values: dict[str, float]) -> str:
    return ", ".join(
        _("{name} {percent} percent").format(name=name, percent=number(100 * value))
        for name, value in values.items()
    )


def _confusion_in_words(matrix: np.ndarray, classes: list[str]) -> str:
    errors = matrix - np.diag(np.diag(matrix))
    words = _("Confusion matrix of {rows} rows: {right} were predicted rightly.").format(
        rows=number(matrix.sum()), right=number(np.trace(matrix))
    )
    if not errors.any():
        return words
    true, predicted = np.unravel_index(errors.argmax(), errors.shape)
    most = _("The most frequent error: {true} taken for {predicted}, {times} time(s).").format(
        true=classes[true], predicted=classes[predicted], times=number(errors.max())
    )
    return f"{words} {most}"
