"""What can be wrong with one translation, told in sentences that name it.

Each function returns a list of complaints; an empty list is good news. tests/test_translations.py calls them
for every catalogue. Whether a translation reads well, and whether a number that it writes as a word is still
the same, is left to people.
"""

from __future__ import annotations

import csv
import re
import string
import warnings
from collections import Counter
from pathlib import Path

import polib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from course_lib.figures import font_families
from tools.catalogues import COMMENT_KIND, PROSE_KIND, STRING_KIND
from tools.prose_messages import block_structure, inline_parts, plain_text

PERCENT = re.compile(r"%\(\w+\)[sdrf]|%[sdrf]\b")
# A number with what languages put between its digits: point, comma, no-break space, narrow no-break space.
NUMBER = re.compile(r"\d+(?:[.,\u00a0\u202f]\d+)*")


def entry_complaints(entry: polib.POEntry) -> list[str]:
    """What a translation lost or added: placeholders, code spans, formulas, links, blocks; lost: numbers."""
    kinds, source, translation = entry.comment.split(", "), entry.msgid, entry.msgstr
    # Lost only: where the source says "ten", a translation may well say 10.
    lost = list((_numbers(source) - _numbers(translation)).elements())
    found = [f"number lost: {', '.join(lost)}"] if lost else []
    if STRING_KIND in kinds:
        found += _differences("placeholder", _placeholders(source), _placeholders(translation))
        found += _differences("edge of white space", Counter(_edges(source)), Counter(_edges(translation)))
    if kinds != [COMMENT_KIND]:
        theirs = inline_parts(translation)
        for kind, ours in inline_parts(source).items():
            found += _differences(kind, ours, theirs[kind])
        if "**" in plain_text(translation) and "**" not in plain_text(source):
            found.append(
                "has ** that Markdown does not read as bold: let a space or no punctuation stand at it"
            )
    if PROSE_KIND in kinds:
        found += _differences(
            "block", Counter(block_structure(source)), Counter(block_structure(translation))
        )
        if source.count("\n") != translation.count("\n"):
            found.append("has other line breaks than its source")
    return [f"{translation!r}, from {source!r}: {complaint}." for complaint in found]


def read_glossary(path: Path) -> dict[str, dict[str, list[str]]]:
    """English term to {language: the terms that are right}; columns `term`, one per language, `note`."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        row["term"]: {
            language: [term.strip() for term in cell.split("|")]
            for language, cell in row.items()
            if language not in ("term", "note") and cell
        }
        for row in rows
    }


def glossary_complaints(glossary: dict, language: str, source: str, translation: str) -> list[str]:
    """Terms of the source (whole words, not in code spans, titles, placeholders) translated otherwise.

    >>> glossary_complaints({"noise": {"de": ["Rauschen"]}}, "de", "The noise grows.", "Der Lärm wächst.")
    ["'Der Lärm wächst.', from 'The noise grows.': 'noise' is Rauschen in the glossary."]
    """
    words, answer = re.sub(r"\{\w+[^{}]*\}", "", plain_text(source)), translation.casefold()
    # The longest terms first, so that "key store" is not also looked up as "key".
    complaints = []
    for term in sorted(glossary, key=len, reverse=True):
        start, rest = re.escape(term[:1]), re.escape(term[1:])
        words, times = re.subn(rf"(?<!\w)(?:{start}|{start.upper()}){rest}(?!\w)", " ", words)
        accepted = glossary[term].get(language, [])
        if times and accepted and not any(each.casefold() in answer for each in accepted):
            complaints.append(
                f"{translation!r}, from {source!r}: {term!r} is {' or '.join(accepted)} in the glossary."
            )
    return complaints


def glyph_complaints(texts: list[str], language: str) -> list[str]:
    """Texts that a figure in `language` could not draw: a glyph is missing, or a formula is malformed."""
    figure = Figure(figsize=(1, 1), dpi=20)
    canvas = FigureCanvasAgg(figure)
    drawn = figure.text(0, 0, "", fontfamily=font_families(language))
    complaints = []
    for text in texts:
        drawn.set_text(text)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                canvas.draw()
            except (UserWarning, ValueError) as problem:
                complaints.append(f"{text!r} cannot be drawn in {language}: {problem}.")
    return complaints


def _differences(kind: str, ours: Counter, theirs: Counter) -> list[str]:
    lost, added = list((ours - theirs).elements()), list((theirs - ours).elements())
    return ([f"{kind} lost: {', '.join(lost)}"] if lost else []) + (
        [f"{kind} added: {', '.join(added)}"] if added else []
    )


def _numbers(text: str) -> Counter[str]:
    """The digits of each number, without what stands between them: 1,599 is 1.599 in German."""
    return Counter(re.sub(r"\D", "", number) for number in NUMBER.findall(text))


def _placeholders(text: str) -> Counter[str]:
    """Fields of `str.format`, with their format, and of `%`."""
    found = Counter(PERCENT.findall(text))
    try:
        for _, name, format_spec, conversion in string.Formatter().parse(text):
            if name is not None:
                found[f"{{{name}!{conversion or 's'}:{format_spec}}}"] += 1
    except ValueError as error:  # a lone brace: fine where the source has it too, and is never formatted
        found[f"a brace ({error})"] += 1
    return found


def _edges(text: str) -> list[str]:
    return [repr(text[: len(text) - len(text.lstrip())]), repr(text[len(text.rstrip()) :])]
