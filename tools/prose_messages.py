"""Splits a markdown cell into what a translator sees, and puts translations back.

One message is one paragraph, heading, list item's paragraph or table cell, with the line breaks of its
wrapping taken out. Code fences, `$$` blocks and HTML are left alone, and so is text without a letter in
it (a number, a formula, a code span). Where a message translates to itself the text stays byte for byte.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin

PARSER = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, double_inline=True)

INLINE_KINDS = ("code span", "formula", "link", "picture", "emphasis", "HTML", "footnote")


@dataclass(frozen=True)
class Passage:
    """A message and where it stands: one (line, first column, last column + 1) per line of it."""

    text: str
    spans: tuple[tuple[int, int, int], ...]
    in_table: bool


def prose_messages(markdown: str) -> list[str]:
    """The messages of a markdown text, in reading order.

    >>> prose_messages("# Title\\n\\nOne\\nparagraph.\\n\\n- item `x`\\n- `x`")
    ['Title', 'One paragraph.', 'item `x`']
    """
    return [passage.text for passage in _passages(markdown)]


def translate_prose(markdown: str, translate: Callable[[str], str]) -> str:
    """The text with every message replaced by what `translate` makes of it.

    >>> translate_prose("# A\\n\\n1. b\\n   c", str.upper)
    '# A\\n\\n1. B C'
    """
    lines = markdown.split("\n")
    for passage in reversed(_passages(markdown)):
        translation = translate(passage.text)
        if translation == passage.text:
            continue
        if passage.in_table:
            translation = translation.replace("|", "\\|")
        first_line, start, _ = passage.spans[0]
        last_line, _, end = passage.spans[-1]
        head, tail = lines[first_line][:start], lines[last_line][end:]
        # What follows a hard line break stays inside the same list item or quotation.
        indentation = "\n" + re.sub(r"[^>]", " ", head)
        lines[first_line : last_line + 1] = (head + translation.replace("\n", indentation) + tail).split("\n")
    return "\n".join(lines)


def block_structure(markdown: str) -> list[str]:
    """The kinds of a text's blocks in order, with heading levels: a translation must have its source's.

    >>> block_structure("## A\\n\\nb")
    ['h2', 'p']
    """
    return [
        token.tag or token.type
        for token in PARSER.parse(markdown)
        if token.nesting != -1 and token.type != "inline"
    ]


def inline_parts(text: str) -> dict[str, Counter[str]]:
    """What a translation must keep of a message: code spans, formulas, targets, emphasis, footnotes.

    >>> inline_parts("See [it](a.md), `x` and $y$.")["link"]
    Counter({'a.md': 1})
    """
    parts = {kind: Counter() for kind in INLINE_KINDS}
    for token in _inline_tokens(text):
        match token.type:
            case "code_inline":
                parts["code span"][token.content] += 1
            case "math_inline" | "math_inline_double":
                parts["formula"][token.content.strip()] += 1
            case "link_open":
                parts["link"][str(token.attrs["href"])] += 1
            case "image":
                parts["picture"][str(token.attrs["src"])] += 1
            case "strong_open" | "em_open":
                parts["emphasis"][token.tag] += 1
            case "html_inline":
                parts["HTML"][token.content] += 1
    parts["footnote"].update(re.findall(r"\[\^[^\]]+\]", text))
    return parts


def plain_text(text: str) -> str:
    """A message's words alone: no code spans, formulas, targets, marks, or titles in italics.

    >>> plain_text("Some **bold** `code` in *A Title*")
    'Some bold  in '
    """
    words, italics = [], 0
    for token in _inline_tokens(text):
        if token.tag == "em":
            italics += token.nesting
        elif not italics:
            words.append(_words(token))
    return "".join(words)


def html_blocks(markdown: str) -> list[str]:
    """Raw HTML in a markdown text, blocks and inline."""
    found = []
    for token in PARSER.parse(markdown):
        if token.type == "html_block":
            found.append(token.content.strip())
        found += [child.content for child in token.children or () if child.type == "html_inline"]
    return found


def _inline_tokens(text: str) -> list[Token]:
    return PARSER.parseInline(text)[0].children or []


def _words(token: Token) -> str:
    if token.type in ("softbreak", "hardbreak"):
        return " "
    return token.content if token.type in ("text", "image") else ""


def _passages(markdown: str) -> list[Passage]:
    lines = markdown.split("\n")
    tokens = PARSER.parse(markdown)
    passages = []
    column = {}  # how far the cells of a table's row have been read, by line
    for opening, token in zip(tokens, tokens[1:], strict=False):
        if token.type != "inline" or not token.content.strip():
            continue
        line = token.map[0]
        if in_table := opening.type in ("td_open", "th_open"):
            cell = token.content.replace("|", "\\|")
            start = lines[line].index(cell, column.get(line, 0))
            column[line] = start + len(cell)
            spans = ((line, start, start + len(cell)),)
        else:
            spans = tuple(_span(lines, line + i, part) for i, part in enumerate(token.content.split("\n")))
        if re.search(r"[^\W\d_]", "".join(_words(child) for child in token.children)):
            passages.append(Passage(_unwrapped(token.content), spans, in_table))
    return passages


def _span(lines: list[str], line: int, part: str) -> tuple[int, int, int]:
    """Where `part` ends its line: only list marks and the like stand before it, only `#` after it."""
    start = lines[line].rindex(part.strip())
    return line, start, start + len(part.strip())


def _unwrapped(content: str) -> str:
    """One line, but for hard line breaks (two spaces or a backslash before the end of a line)."""
    return re.sub(r"(?<!  )(?<!\\)\n\s*", " ", content)
