"""The test rows themselves, feature against feature, with the errors marked and a brush that links the views.

Promises: a rectangle drawn in one view greys out everything else in all the others, and the bars count
what is inside. A misclassified row bears a cross, so that colour is not needed to find it.
Leaves out choosing the rows: a browser bears some thousands, see `course_lib.visualize.evaluation`.
"""

from itertools import combinations

import altair as alt
import pandas as pd

from course_lib.i18n import _, number
from course_lib.visualize.charts_style import (
    CROSS,
    GREY,
    INK,
    MOST_CLASSES,
    RIGHT,
    WRONG,
    class_colour,
    class_shape,
    styled,
)

#: More views than these make neither a page nor a browser quicker to read: six pairs.
MOST_FEATURES = 4
#: Pixels of one plot: three beside each other fit on a laptop, one on a phone.
_WIDTH = 240


def distributions_chart(
    rows: pd.DataFrame,
    features: list[str],
    *,
    true: str = "true",
    predicted: str = "predicted",
    columns: int = 3,
) -> alt.VConcatChart:
    """Each pair of 2 to 4 `features` as a scatter plot, and bars that count right and wrong rows by class.

    `rows` has the features (numbers) and the classes in the columns named by `true` and `predicted`;
    `columns` is how many plots stand side by side (1 on a phone). Raises ValueError for another number of
    features.

    >>> rows = pd.DataFrame({"width": [1, 2], "length": [3, 4], "true": ["a", "b"], "predicted": ["a", "a"]})
    >>> distributions_chart(rows, ["width", "length"]).description
    'Scatter plots of 2 test rows: width against length. Misclassified rows, marked by a cross: 1.'
    """
    if not 2 <= len(features) <= MOST_FEATURES:
        message = _("Two to {most} features were expected, not {count}.")
        raise ValueError(message.format(most=MOST_FEATURES, count=len(features)))
    points, classes = _points(rows, features, true, predicted)
    pairs = list(combinations(range(len(features)), 2))
    brush = alt.selection_interval(name="brush", resolve="global")
    plots = [_scatter(points, features, pair, classes, brush) for pair in pairs]
    views = alt.concat(*plots, columns=columns, spacing=24)
    shown = min(columns, len(pairs))
    width = _WIDTH * shown + 60 * (shown - 1)
    key = alt.Title(_("× misclassified"), fontSize=13, fontWeight="normal")
    chart = alt.vconcat(views.properties(title=key), _counts(points, classes, brush, width), spacing=24)
    words = _(
        "Scatter plots of {rows} test rows: {pairs}. Misclassified rows, marked by a cross: {wrong}."
    ).format(
        rows=number(len(points)),
        pairs=", ".join(
            _("{one} against {other}").format(one=features[one], other=features[other])
            for one, other in pairs
        ),
        wrong=number(int(points["wrong"].sum())),
    )
    chart = chart.resolve_scale(color="independent", shape="independent")
    # Declared once, for the views that it names: declared in each of them, Altair would complain.
    chart.params = [
        alt.TopLevelSelectionParameter(
            name="brush",
            select=alt.IntervalSelectionConfig(type="interval", resolve="global"),
            views=[plot.layer[0].name for plot in views.concat],
        )
    ]
    return styled(chart, alternative=words)


def _points(
    rows: pd.DataFrame, features: list[str], true: str, predicted: str
) -> tuple[pd.DataFrame, list[str]]:
    """The columns that are drawn, under names that no feature of a reader's own table can spoil."""
    points = pd.DataFrame({f"f{place}": rows[name].to_numpy() for place, name in enumerate(features)})
    for column in points:
        points[column] = [float(f"{value:.5g}") for value in points[column]]  # a browser draws no finer
    named, guessed = rows[true].astype(str).to_numpy(), rows[predicted].astype(str).to_numpy()
    points["true"], points["predicted"], points["wrong"] = named, guessed, named != guessed
    classes = sorted(set(named))
    if len(classes) > MOST_CLASSES:
        frequent = points["true"].value_counts().index[: MOST_CLASSES - 1]
        other = _("other classes")
        points["class"] = points["true"].where(points["true"].isin(frequent), other)
        return points, [*sorted(frequent), other]
    points["class"] = points["true"]
    return points, classes


def _scatter(
    points: pd.DataFrame, features: list[str], pair: tuple[int, int], classes: list[str], brush: alt.Parameter
) -> alt.LayerChart:
    one, other = pair
    axis = alt.Axis(tickCount=5)
    base = alt.Chart(points).encode(
        x=alt.X(f"f{one}:Q", title=features[one], scale=alt.Scale(zero=False, padding=8), axis=axis),
        y=alt.Y(f"f{other}:Q", title=features[other], scale=alt.Scale(zero=False, padding=8), axis=axis),
    )
    inside = alt.condition(brush, alt.value(0.85), alt.value(0.08))
    dots = base.mark_point(filled=True, size=45).encode(
        color=class_colour(classes, _("true class")),
        shape=class_shape(classes, _("true class")),
        opacity=inside,
        tooltip=[
            alt.Tooltip("true:N", title=_("true class")),
            alt.Tooltip("predicted:N", title=_("predicted class")),
            alt.Tooltip(f"f{one}:Q", title=features[one]),
            alt.Tooltip(f"f{other}:Q", title=features[other]),
        ],
    )
    crosses = (
        base.transform_filter("datum.wrong")
        .mark_point(shape=CROSS, size=130, stroke=INK, strokeWidth=2.5, filled=False)
        .encode(opacity=alt.condition(brush, alt.value(1), alt.value(0.12)))
    )
    return alt.layer(dots.properties(name=f"pair{one}{other}"), crosses).properties(width=_WIDTH, height=220)


def _counts(points: pd.DataFrame, classes: list[str], brush: alt.Parameter, width: int) -> alt.Chart:
    outcomes = alt.Scale(domain=[_("right"), _("wrong")], range=[RIGHT, WRONG])
    return (
        alt.Chart(points)
        .transform_filter(brush)
        .transform_calculate(outcome=alt.expr.if_(alt.datum.wrong, _("wrong"), _("right")))
        .mark_bar(stroke=GREY)
        .encode(
            y=alt.Y("class:N", sort=classes, scale=alt.Scale(domain=classes), title=_("true class")),
            x=alt.X(
                "count():Q", title=_("rows inside the rectangle"), axis=alt.Axis(tickCount=6, tickMinStep=1)
            ),
            color=alt.Color("outcome:N", title=_("prediction"), scale=outcomes),
            tooltip=[alt.Tooltip("class:N"), alt.Tooltip("outcome:N"), alt.Tooltip("count():Q")],
        )
        .properties(width=width, height=28 * len(classes) + 10)
    )
