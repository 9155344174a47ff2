"""What went wrong that nobody foresaw: a sentence for the visitor, its kind and place for the server's log.

Promises: neither shows a value. An exception's text, and a traceback with it, may hold a cell of the table
that somebody uploaded.
"""

import logging
import traceback

import streamlit as st

from course_lib.i18n import _

_LOG = logging.getLogger(__name__)


def tell_failure(error: BaseException) -> None:
    """Show the visitor one sentence, and write into the log what kind of `error` came up where."""
    _LOG.error("%s at %s", type(error).__name__, place_of(error))
    st.error(_("Something went wrong in the app itself. Try again, or choose other data or another model."))


def place_of(error: BaseException) -> str:
    """Return the file, line and function that raised `error`, without its text.

    >>> try:
    ...     int("a secret")
    ... except ValueError as error:
    ...     print(place_of(error))
    <doctest ...>:2 in <module>
    """
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    return "".join(f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames)
