"""The text of a CSV file of one's own: bounded, decoded, with what stands between its cells.

Promises: every file that has no such text is an `UploadError` of one sentence; a file's size is looked at
before it is read. Leaves out cutting all of it into cells (`course_lib.visualize.tables`).
"""

import codecs
import csv
import io
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from charset_normalizer import from_bytes

from course_lib.i18n import _, number

UPLOAD_LIMIT = 50_000_000  # bytes

# What spreadsheets write in the course's languages; among all encodings, a short text looks like many.
_ENCODINGS = ["cp1252", "cp932", "gb18030"]
_DELIMITERS = ("\t", ";", ",")  # a comma may also stand in a number: it comes last
_LOOKED_AT = 100_000  # characters, to find the delimiter

CsvFile = bytes | str | os.PathLike | BinaryIO


class UploadError(ValueError):
    """A file that no classifier can be trained on; the message says what is wrong where."""


def shortened(value: str, most: int = 40) -> str:
    """Return `value` for a message: in quotes, not longer than `most`, unprintable signs replaced.

    >>> shortened("=cmd|" + 100 * "x", most=12)
    "'=cmd|xxxxxxx…'"
    """
    text = value if len(value) <= most else value[:most] + "…"
    return "'" + "".join(sign if sign.isprintable() else "\ufffd" for sign in text) + "'"


def read_content(file: CsvFile, name: str) -> bytes:
    """Return what is in `file`; raises UploadError where it has too many bytes or cannot be read."""
    try:
        if isinstance(file, bytes):
            size, content = len(file), file
        elif isinstance(file, str | os.PathLike):
            size = os.stat(file).st_size
            content = b""
            if size <= UPLOAD_LIMIT:
                with open(file, "rb") as opened:
                    content = opened.read(UPLOAD_LIMIT + 1)
        else:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            content = file.read(UPLOAD_LIMIT + 1) if size <= UPLOAD_LIMIT else b""
    except OSError as error:
        message = _("The file {name} cannot be read ({reason}).")
        raise UploadError(message.format(name=name, reason=error.strerror or error)) from error
    if max(size, len(content)) > UPLOAD_LIMIT:
        message = _("The file {name} has {size} MB; at most {most} MB are read.")
        most = number(UPLOAD_LIMIT / 1e6)
        raise UploadError(message.format(name=name, size=number(size / 1e6, 1), most=most))
    return content


def decoded(content: bytes, name: str) -> str:
    """Return `content`, UTF-8, as text; raises UploadError for another encoding, and for no text at all."""
    if not content.strip():
        raise UploadError(_("The file {name} is empty.").format(name=name))
    for mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        if content.startswith(mark):
            raise UploadError(_not_utf8(name, "UTF-16"))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # What surrounds the first strange byte tells more than the start, which is often plain ASCII.
        around = content[max(0, error.start - 2_000) : error.start + 2_000]
        guess = from_bytes(around, cp_isolation=_ENCODINGS).best()
        raise UploadError(_not_utf8(name, guess.encoding if guess else None)) from error
    if "\0" in text:
        message = _(
            "The file {name} holds NUL bytes: it is no text, or not UTF-8; save it as a CSV in UTF-8."
        )
        raise UploadError(message.format(name=name))
    return text


def _not_utf8(name: str, encoding: str | None) -> str:
    if encoding is None:
        return _("The file {name} is not UTF-8 text; save it as a CSV in UTF-8.").format(name=name)
    message = _("The file {name} is not UTF-8 but probably {encoding}; save it as a CSV in UTF-8.")
    return message.format(name=name, encoding=encoding)


def delimited(text: str, name: str) -> tuple[str, str]:
    """Return the text without a spreadsheet's own hint, and what stands between its cells.

    Raises UploadError where there is no such sign, or one column alone.
    """
    told = re.match(r"(?i)sep=([,;\t])(?=\r?\n)", text)
    if told:
        return text[told.end() :], told[1]
    start = text[:_LOOKED_AT]
    if len(text) > _LOOKED_AT:
        start = start[: max(start.rfind("\n"), start.rfind("\r")) + 1] or start  # whole lines
    widths = {delimiter: _widths(start, delimiter) for delimiter in _DELIMITERS}
    for delimiter, found in widths.items():
        if found[:1] > [1] and set(found) == {found[0]}:
            return text, delimiter
    if not any(widths.values()):
        raise UploadError(_broken(1, name))
    # None fits all lines: the one that cuts the first into most cells will say which line it does not fit.
    delimiter = max(reversed(_DELIMITERS), key=lambda one: widths[one][:1])
    if widths[delimiter][0] < 2:
        message = _("The file {name} needs two columns or more, with a comma, semicolon or tab between them.")
        raise UploadError(message.format(name=name))
    return text, delimiter


def _widths(text: str, delimiter: str) -> list[int]:
    """How many cells each line has, up to the first that cannot be cut up."""
    widths = []
    with suppress(UploadError):
        for _line, cells in lines_of(text, delimiter, ""):
            widths.append(len(cells))
    return widths


def lines_of(text: str, delimiter: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the line that each row ends in, and its cells; lines with nothing are passed over.

    Raises UploadError at a line that cannot be cut up.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    ended = 0
    try:
        for cells in reader:
            ended = reader.line_num
            if len(cells) > 1 or (cells and cells[0].strip()):
                yield ended, cells
    except csv.Error as error:
        raise UploadError(_broken(ended + 1, name)) from error


def _broken(line: int, name: str) -> str:
    message = _(
        "Line {line} of {name} cannot be cut into cells: a quotation mark is not closed or stands inside a "
        "cell, or a cell has over {most} signs."
    )
    return message.format(line=number(line), name=name, most=number(csv.field_size_limit()))
