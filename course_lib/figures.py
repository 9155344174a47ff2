"""Figures that every reader can read: a glyph for every letter, and words for those who cannot see them.

Promises: once this module is imported, matplotlib draws text in each of the five languages, also on a
machine that has no Japanese or Chinese font: parts of Noto Sans CJK travel with the course, with the
characters of JIS X 0208 level 1 and GB 2312 level 1. `show` gives a figure its alternative text.
Leaves out: rarer characters, for which a font of the system is asked, and Japanese or Chinese
*inside* a formula (``$\\mathrm{…}$``); beside a formula they are drawn.
"""

import base64
import io
from pathlib import Path

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
    if not alt.strip():
        raise ValueError(
            _("An alternative text that says what the figure shows was expected, not an empty one.")
        )
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=_DPI, bbox_inches="tight")
    plt.close(figure)
    display(_Picture(_compact(drawn), alt))


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


for _font in sorted(FONT_FOLDER.glob("*.otf")):
    font_manager.fontManager.addfont(_font)
matplotlib.rcParams["font.family"] = font_families(language())
