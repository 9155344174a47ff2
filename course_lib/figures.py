"""Figures that every reader can read: a glyph for every letter, and words for those who cannot see them.

Promises: once this module is imported, matplotlib draws text in each of the five languages, also on a
machine that has no Japanese or Chinese font: parts of Noto Sans CJK travel with the course, with the
characters of JIS X 0208 level 1 and GB 2312 level 1. `show` gives a figure its alternative text, and
`show_interactive` gives a chart that the reader can move a still picture too.
Leaves out: rarer characters, for which a font of the system is asked, and Japanese or Chinese
*inside* a formula (``$\\mathrm{…}$``); beside a formula they are drawn.
"""

import base64
import io
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib import font_manager
from matplotlib.figure import Figure
from PIL import Image

from course_lib.i18n import _, language

FONT_FOLDER = Path(__file__).parent / "fonts"

#: Fonts that come with macOS, Windows and Linux, for characters which ours do not have.
_SYSTEM_FONTS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Hiragino Sans",
    "PingFang SC",
    "Yu Gothic",
    "Microsoft YaHei",
)
_DPI = 120

#: The newest Vega-Lite that JupyterLab draws by itself, without a kernel and without the network.
_VEGA_LITE = "application/vnd.vegalite.v5+json"
_VEGA_LITE_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
#: A browser takes each letter from the first font that has it; the two languages draw many in their own way.
_BROWSER_FONTS = {
    "ja": "'Hiragino Sans', 'Yu Gothic', 'Noto Sans CJK JP', sans-serif",
    "zh-CN": "'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif",
}


def font_families(code: str) -> list[str]:
    """Return the fonts for the language `code`; each glyph comes from the first of them that has it.

    A Japanese or Chinese reader's own font comes first, since the two draw many a character in their own
    way, and since matplotlib looks in the first font alone for text beside a formula.

    >>> font_families("zh-CN")[:3]
    ['Course Sans SC', 'DejaVu Sans', 'Course Sans JP']
    """
    ours = {
        "ja": ["Course Sans JP", "DejaVu Sans", "Course Sans SC"],
        "zh-CN": ["Course Sans SC", "DejaVu Sans", "Course Sans JP"],
    }.get(code, ["DejaVu Sans", "Course Sans JP", "Course Sans SC"])
    installed = set(font_manager.get_font_names())
    return ours + [name for name in _SYSTEM_FONTS if name in installed]


def missing_glyphs(text: str, families: list[str]) -> str:
    """Return the characters of `text` that none of the fonts `families` can draw, each once.

    >>> missing_glyphs("Rauschen, 雑音, 噪声", ["DejaVu Sans"])
    '雑音噪声'
    """
    fonts = [font_manager.get_font(font_manager.findfont(family)) for family in families]
    missing = (letter for letter in text if not any(font.get_char_index(ord(letter)) for font in fonts))
    return "".join(dict.fromkeys(letter for letter in missing if letter.isprintable()))


def show(figure: Figure, *, alt: str) -> None:
    """Show `figure` in the notebook as a PNG with the alternative text `alt`, and close it.

    `alt` says in the reader's language what there is to see; it is also what a reader gets where no
    pictures are shown. JupyterLab and nbconvert's HTML read it from a Markdown image and nowhere else, other
    viewers from the metadata of the PNG: so the output holds both. Raises ValueError when it is empty.

    >>> figure, axes = plt.subplots()
    >>> show(figure, alt="An empty diagram")
    An empty diagram
    """
    words = _words(alt)
    display(_Picture(_png(figure), words))


def show_interactive(chart: Any, *, alt: str, still: Figure) -> None:
    """Show the Altair `chart`, whose sliders work without a kernel, and `still` where charts are not drawn.

    `alt` says what there is to see and what can be moved, as in `show`. JupyterLab draws the chart from what
    is stored in the notebook, offline; viewers that cannot, such as GitHub and nbconvert's HTML, show the
    figure `still`, which is closed. Round the numbers in the chart's data: they are stored, and compared.

    Altair 6 writes Vega-Lite 6, JupyterLab 4.6 draws Vega-Lite 5. The chart is handed over as the older one,
    which knows all but a few of its words. Raises ValueError when `alt` is empty.

    >>> import altair
    >>> slider = altair.binding_range(min=1, max=5, step=1, name="size ")
    >>> size = altair.param("size", value=3, bind=slider)
    >>> dot = altair.Chart(altair.Data(values=[{"x": 1}])).mark_point(size=size).add_params(size)
    >>> figure, axes = plt.subplots()
    >>> show_interactive(dot, alt="A dot; a slider moves its size", still=figure)
    A dot; a slider moves its size
    """
    words = _words(alt)
    chart = {**chart.to_dict(), "$schema": _VEGA_LITE_SCHEMA, "description": words}
    font = _BROWSER_FONTS.get(language(), "sans-serif")
    chart["config"] = {"font": font, **chart.get("config", {})}
    display(_Interactive(_png(still), words, chart))


def _words(alt: str) -> str:
    if not alt.strip():
        raise ValueError(
            _("An alternative text that says what the figure shows was expected, not an empty one.")
        )
    return alt


def _png(figure: Figure) -> bytes:
    """Return `figure` as the bytes of a PNG, and close it."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=_DPI, bbox_inches="tight")
    plt.close(figure)
    return _compact(drawn)


def _compact(drawn: io.BytesIO) -> bytes:
    """Return the PNG `drawn` with 256 colours, which the eye cannot tell, in a third of its bytes."""
    compact = io.BytesIO()
    colours = Image.open(drawn).convert("RGB")
    palette = colours.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    palette.save(compact, format="png", optimize=True)
    return compact.getvalue()


class _Picture:
    """A PNG and its alternative text, in the form in which Jupyter and nbconvert look for them."""

    def __init__(self, png: bytes, alt: str):
        self._png, self._alt = png, alt

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        words = self._alt.replace("[", "(").replace("]", ")").replace("\n", " ")
        address = f"data:image/png;base64,{base64.b64encode(self._png).decode()}"
        bundle = {"text/markdown": f"![{words}]({address})", "image/png": self._png, "text/plain": self._alt}
        return bundle, {"image/png": {"alt": self._alt}}

    def __repr__(self) -> str:
        return self._alt


class _Interactive(_Picture):
    """A picture, and a chart in Vega-Lite, which viewers that can draw it prefer."""

    def __init__(self, png: bytes, alt: str, chart: dict):
        super().__init__(png, alt)
        self._chart = chart

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        bundle, metadata = super()._repr_mimebundle_(include, exclude)
        # As SVG its words can be read aloud; its menu would lead to a page on the network.
        options = {"embed_options": {"renderer": "svg", "actions": False}}
        return {**bundle, _VEGA_LITE: self._chart}, {**metadata, _VEGA_LITE: options}


for _font in sorted(FONT_FOLDER.glob("*.otf")):
    font_manager.fontManager.addfont(_font)
matplotlib.rcParams["font.family"] = font_families(language())
