"""Text from a visitor's file or address, for places where Streamlit reads Markdown.

Promises: it is shown letter by letter: no link, no picture, no formula, no colour, no sign in the place of
others. Leaves out what needs no care: tables of `st.dataframe`, what can be chosen, Vega's texts.
"""

import re

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# What Streamlit replaces when Markdown is read already, so that a backslash comes too late: addresses
# (``www.``, ``http://``, ``a@b``), ``:material/home:``, and arrows and the like between spaces.
_LATE = re.compile(r"(?<=[:@])|(?<=www)|(?<=[-<>~])(?=[->=])", re.IGNORECASE)
_JOINER = "\u2060"  # has no width, and nobody searches for words with it


def literal(text: str) -> str:
    """Return Markdown that shows `text` as it stands, in one line.

    >>> literal("[x](y) costs $5")
    '\\\\[x\\\\]\\\\(y\\\\) costs \\\\$5'
    """
    return _PUNCTUATION.sub(r"\\\1", _LATE.sub(_JOINER, " ".join(text.split())))
