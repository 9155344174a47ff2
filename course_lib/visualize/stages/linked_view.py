"""The chart of the last stage: where a model errs, and how often there. The lesson shows it in full."""

import altair as alt
import pandas as pd

from course_lib.i18n import _


def linked_view(wines: pd.DataFrame) -> alt.HConcatChart:
    """Points on the left, in which one draws a rectangle; bars on the right, which count what lies inside.

    `wines` has a row for each wine of the test: the numbers `flavanoids` and `color_intensity`, the text
    `cultivar`, and `right`, whether the model named the cultivar.

    >>> wine = {"flavanoids": [2.8], "color_intensity": [5.9], "cultivar": ["1"], "right": [False]}
    >>> len(linked_view(pd.DataFrame(wine)).hconcat)
    2
    """
    brush = alt.selection_interval()
    wines = wines.assign(answer=wines["right"].map({True: _("right"), False: _("wrong")}))
    base = alt.Chart(wines).encode(
        x=alt.X("flavanoids", title=_("flavanoids")),
        y=alt.Y("color_intensity", title=_("colour intensity")),
        opacity=alt.when(brush).then(alt.value(1)).otherwise(alt.value(0.2)),
    )
    cultivar = alt.Color("cultivar", title=_("cultivar")).scale(range=["#0072B2", "#E69F00", "#009E73"])
    points = base.mark_point(filled=True, size=60).encode(color=cultivar, shape="cultivar")
    crosses = base.mark_text(text="✗", size=20).transform_filter("!datum.right")
    bars = alt.Chart(wines, width=200, height=100).mark_bar(color="#0072B2")
    bars = bars.transform_filter(brush).encode(
        x=alt.X("count()", title=_("selected wines")),
        y=alt.Y("cultivar", title=None),
        row=alt.Row("answer", title=None),
    )
    return (points + crosses).add_params(brush) | bars
