"""Make the fonts in ``course_lib/fonts``: small parts of Noto Sans CJK, for figures in Japanese and Chinese.

``python -m tools.fonts`` takes the characters of the common standards out of Debian's package
``fonts-noto-cjk``: Latin letters and punctuation, and of JIS X 0208 (Japanese) or GB 2312 (Chinese) the
symbols, the kana, and the characters of level 1, with the field's own words that lie outside it. The
fonts get names of their own, so that an installed Noto Sans CJK is not hidden by them; they lose hinting
and layout features, which matplotlib does not use. A second run writes the same bytes.

The fonts' licence, the SIL Open Font License 1.1, allows this and asks that it travels with them: it is
``course_lib/fonts/OFL.txt``.
"""

import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

SOURCE = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
TARGET = Path(__file__).parents[1] / "course_lib" / "fonts"

#: Latin letters of Western Europe, dashes, quotation marks, arrows, mathematical signs.
LATIN = (*range(0x20, 0x7F), *range(0xA0, 0x100), *range(0x2010, 0x2027), *range(0x2190, 0x2194), 0x2212)

#: name of the font -> face in the collection, codec, last row of level 1, the field's words beyond it
FONTS = {
    "Course Sans JP": (0, "euc_jp", 0xCF, "閾乖曖毀籤瞞竄攪"),
    "Course Sans SC": (2, "gb2312", 0xD7, "阈熵诠赝鸢萼浏"),
}


def characters(codec: str, last_row: int, words: str) -> set[int]:
    """Return the code points of the two-byte rows up to `last_row`, of the words and of Latin."""
    codes = (bytes((row, cell)) for row in range(0xA1, last_row + 1) for cell in range(0xA1, 0xFF))
    return {ord(letter) for code in codes for letter in code.decode(codec, errors="ignore")} | {
        *map(ord, words),
        *LATIN,
    }


def make(name: str, face: int, wanted: set[int]) -> Path:
    """Write the font `name` with the glyphs that `wanted` asks for, and return its path."""
    font = TTFont(SOURCE, fontNumber=face, recalcTimestamp=False)
    options = subset.Options(hinting=False, layout_features=[], name_IDs=[0, 13, 14], notdef_outline=True)
    options.drop_tables += ["BASE", "GPOS", "GSUB", "GDEF", "VORG", "vhea", "vmtx"]
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=wanted)
    subsetter.subset(font)
    postscript_name = name.replace(" ", "") + "-Regular"
    for number, text in ((1, name), (2, "Regular"), (3, postscript_name), (4, name), (6, postscript_name)):
        font["name"].setName(text, number, 3, 1, 0x409)
    compact = font["CFF "].cff
    compact.fontNames = [postscript_name]
    compact.topDictIndex[0].FamilyName = compact.topDictIndex[0].FullName = name
    path = TARGET / f"{postscript_name}.otf"
    font.save(path)
    return path


def main() -> int:
    """Make every font; return the exit code."""
    if not SOURCE.is_file():
        print(f"{SOURCE} is missing: install Debian's package fonts-noto-cjk.", file=sys.stderr)
        return 1
    for name, (face, codec, last_row, words) in FONTS.items():
        wanted = characters(codec, last_row, words)
        path = make(name, face, wanted)
        print(f"{path.name}: {len(wanted):,} characters, {path.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
