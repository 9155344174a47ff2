"""What all charts share: colours, shapes and dashes, fonts, the marks of the reader's numbers.

Promises: classes are told apart by colour and by shape or dash, in the palette of Okabe and Ito, which people
with any common form of colour blindness can tell apart; numbers on axes have the reader's decimal mark.
Leaves out more than `MOST_CLASSES` classes in one picture: nobody tells so many colours apart.

Source: M. Okabe and K. Ito, "Color Universal Design", https://jfly.uni-koeln.de/color/
"""

import altair as alt

from course_lib.i18n import language

#: Okabe and Ito's colours. Their yellow is left out: on white it cannot be seen.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
#: Shapes and dashes, one for each colour.
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "triangle-left", "triangle-right")
DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3), (10, 4), (4, 4), (1, 3))
MOST_CLASSES = len(PALETTE)

RIGHT, WRONG, GREY, INK = "#0072B2", "#E69F00", "#767676", "#1F1F1F"
#: A cross, which no class has: it marks a wrong answer.
CROSS = "M-.9,-.9L.9,.9M-.9,.9L.9,-.9"

#: A browser, or vl-convert, takes each letter from the first font that has it.
_FONTS = {
    "ja": "Source Sans, Course Sans JP, Hiragino Sans, Yu Gothic, Noto Sans CJK JP, sans-serif",
    "zh-CN": "Source Sans, Course Sans SC, PingFang SC, Microsoft YaHei, Noto Sans CJK SC, sans-serif",
}
_MARKS = {"de": (",", "."), "pt-BR": (",", ".")}


def styled(chart: alt.TopLevelMixin, *, alternative: str) -> alt.TopLevelMixin:
    """Return `chart` in the course's style, with `alternative`, what there is to see, as its description.

    >>> dot = alt.Chart(alt.Data(values=[{"x": 1}])).mark_point()
    >>> styled(dot, alternative="A dot").description
    'A dot'
    """
    decimal, thousands = _MARKS.get(language(), (".", ","))
    marks = {"decimal": decimal, "thousands": thousands, "grouping": [3], "currency": ["", ""]}
    words = {"labelColor": INK, "titleColor": INK, "labelFontSize": 13, "titleFontSize": 14}
    config = alt.Config(
        font=_FONTS.get(language(), "Source Sans, DejaVu Sans, sans-serif"),
        locale=alt.Locale(number=marks),
        padding=8,
        view=alt.ViewConfig(stroke=None),
        axis=alt.AxisConfig(
            **words,
            titleFontWeight="normal",
            gridColor="#E6E6E6",
            domainColor=GREY,
            tickColor=GREY,
            labelLimit=180,
        ),
        legend=alt.LegendConfig(
            **words, titleFontWeight="normal", orient="bottom", symbolSize=120, labelLimit=160
        ),
        title=alt.TitleConfig(fontSize=15, fontWeight="bold", anchor="start", color=INK),
    )
    # Not by Altair's methods: each copies the whole chart, and a page draws while somebody waits.
    chart.description, chart.background, chart.config = alternative, "white", config
    return chart


def class_colour(classes: list[str], title: str) -> alt.Color:
    """The colour of the column ``class``, always the same for the same place among the `classes`."""
    scale = alt.Scale(domain=classes, range=list(PALETTE[: len(classes)]))
    return alt.Color("class:N", title=title, scale=scale)


def class_shape(classes: list[str], title: str) -> alt.Shape:
    """The shape of the column ``class``, beside its colour."""
    scale = alt.Scale(domain=classes, range=list(SHAPES[: len(classes)]))
    return alt.Shape("class:N", title=title, scale=scale)


def class_dash(classes: list[str], title: str) -> alt.StrokeDash:
    """The dash of a line for the column ``class``, beside its colour."""
    scale = alt.Scale(domain=classes, range=[list(dash) for dash in DASHES[: len(classes)]])
    return alt.StrokeDash("class:N", title=title, scale=scale)
