"""Charts as files: PNG and SVG, made here and without the network.

Promises: a PNG has a glyph for every letter of the five languages, also on a machine without a Japanese or
Chinese font: the course's own fonts are at hand. Leaves out movement: a file shows the chart as it starts.
"""

from pathlib import Path

import altair as alt
import vl_convert

# Where `course_lib.figures` has its fonts too; importing it would bring matplotlib and IPython along.
vl_convert.register_font_directory(str(Path(__file__).parents[1] / "fonts"))


def as_png(chart: alt.TopLevelMixin, *, scale: float = 2.0) -> bytes:
    """The `chart` as a PNG, with `scale` pixels for each of its own.

    >>> dot = alt.Chart(alt.Data(values=[{"x": 1}])).mark_point()
    >>> as_png(dot)[1:4]
    b'PNG'
    """
    return vl_convert.vegalite_to_png(_spec(chart), scale=scale, allowed_base_urls=[])


def as_svg(chart: alt.TopLevelMixin) -> bytes:
    """The `chart` as an SVG in UTF-8. Its words stay words: they can be searched and read aloud.

    >>> dot = alt.Chart(alt.Data(values=[{"x": 1}])).mark_point()
    >>> as_svg(dot)[:4]
    b'<svg'
    """
    return vl_convert.vegalite_to_svg(_spec(chart), allowed_base_urls=[]).encode()


def _spec(chart: alt.TopLevelMixin) -> dict:
    """What vl-convert draws: the chart with its data inside, however many rows that are."""
    with alt.data_transformers.disable_max_rows():
        return chart.to_dict()
