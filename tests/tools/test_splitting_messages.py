"""Markdown and code are split into messages and put together again without loss."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.code_messages import (
    comment_messages,
    string_messages,
    translate_comments,
    unreadable_messages,
    without_comments,
)
from tools.prose_messages import block_structure, html_blocks, inline_parts, prose_messages, translate_prose

MARKDOWN = """\
# Title with $x$ #

A paragraph *wrapped*
over lines, then a hard break  
and its second line.

$$
a
- b
$$

* item **one**
  goes on

  and has a second paragraph
    1. deep
       down

| a | b \\| c | |
|---|:-:|--|
| 1 `x\\|y` | a | a |
| 5 | `code` | $z$ |

> a quotation  
> goes on

```python
# not a message
```

Setext
===

[x]: https://example.org
"""
BREAK = "A paragraph *wrapped* over lines, then a hard break  \nand its second line."


def test_messages_are_paragraphs_headings_items_and_cells():
    assert prose_messages(MARKDOWN) == [
        "Title with $x$",
        BREAK,
        "item **one** goes on",
        "and has a second paragraph",
        "deep down",
        "a",
        "b | c",
        "a",
        "a",
        "a quotation  \ngoes on",
        "Setext",
    ]


def test_a_translation_lands_where_its_source_stood():
    text = translate_prose(MARKDOWN, lambda message: message.upper().replace("X|Y", "x|y"))
    assert "* ITEM **ONE** GOES ON\n\n  AND HAS" in text
    assert "    1. DEEP DOWN\n" in text
    assert "| A | B \\| C | |" in text
    assert "| 1 `x\\|y` | A | A |" in text
    assert "> A QUOTATION  \n> GOES ON" in text
    assert "# TITLE WITH $X$ #" in text
    assert "# not a message" in text
    assert "\na\n- b\n" in text
    assert block_structure(text) == block_structure(MARKDOWN)


@given(st.text(alphabet="ab #*-|`$>\n1.\\[]()<", max_size=60))
def test_any_markdown_comes_back_byte_for_byte(text):
    assert translate_prose(text, lambda message: message) == text
    prose_messages(text)


def test_what_a_translation_must_keep_is_found():
    parts = inline_parts("See ![p](a.png) [it](b.md) **`c`** $d$ $$e$$ <b>f</b> [^1]")
    assert {kind: list(found) for kind, found in parts.items()} == {
        "code span": ["c"],
        "formula": ["d", "e"],
        "link": ["b.md"],
        "picture": ["a.png"],
        "emphasis": ["strong"],
        "HTML": ["<b>", "</b>"],
        "footnote": ["[^1]"],
    }


def test_html_is_found_in_blocks_and_lines_but_not_in_code():
    assert html_blocks("<div>\n</div>\n\na <b>c</b> `<i>`") == ["<div>\n</div>", "<b>", "</b>"]


CODE = """\
# First comment
# on two lines
def f(x):
    # inside
    y = "# not a comment"  # after code
    z = 1  # noqa: F841
    # -----
    return '''
    # neither this
    ''' + y
"""


def test_comments_are_found_in_groups():
    assert comment_messages(CODE) == ["First comment\non two lines", "inside", "after code"]


def test_comments_are_replaced_and_code_is_not():
    text = translate_comments(CODE, lambda comment: f"{comment.upper()}\nund mehr")
    assert text.startswith(
        "# FIRST COMMENT\n# ON TWO LINES\n# und mehr\ndef f(x):\n    # INSIDE\n    # und mehr\n"
    )
    assert '# not a comment"  # AFTER CODE und mehr\n' in text
    assert "# noqa: F841" in text
    assert without_comments(text) == without_comments(CODE)
    assert translate_comments(CODE, lambda comment: comment) == CODE


def test_without_comments_keeps_every_letter_of_code():
    assert without_comments("x = '#'  # a\n# b\n\ny = 2") == "x = '#'\n\ny = 2"
    assert without_comments("x = 1 # a") != without_comments("x = 2 # a")


def test_strings_are_found_also_inside_f_strings_and_marked_ones():
    code = "_('a' 'b'); f'{_(\"c\")}'; N_('d'); _(title); other('e')"
    assert string_messages(code) == ["ab", "c", "d"]


@pytest.mark.parametrize(
    "code",
    ["_(f'{x}')", "_('a' + b)", "_('a'.format())", "N_(title)", "_('a', 'b')", "ngettext('a', 'b', 2)"],
)
def test_what_no_translator_would_see_is_named(code):
    assert len(unreadable_messages(code)) == 1
    assert unreadable_messages("_('a'); _(title); N_('b')") == []
