"""A CSV file of one's own as a table of text: bounded, cut into columns.

Promises: every file that is not such a table is an `UploadError` of one sentence, found before its content
takes much memory: the numbers of its columns and rows are looked at before it is cut up. Nothing in it is
executed. Leaves out reading the text (`csv_text`) and what it means (`uploads`).

Source: RFC 4180 for quotes; spreadsheets in many languages write semicolons, and commas into numbers.
"""

import hashlib
import io
import re
from dataclasses import dataclass

import pandas as pd

from course_lib.i18n import _, number
from course_lib.visualize.csv_text import (
    CsvFile,
    UploadError,
    decoded,
    delimited,
    lines_of,
    read_content,
    shortened,
)

MOST_COLUMNS = 1_000
MOST_ROWS = 1_000_000

_DECIMAL_COMMA = r"^[+-]?\d+,\d+$"
_DECIMAL_POINT = r"^[+-]?\d+\.\d+$"

_NUMBER = re.compile(r"[+-]?\d+")
_FRACTION = re.compile(r"[+-]?\d*[.,]\d+([eE][+-]?\d+)?")


@dataclass(frozen=True, eq=False)
class Table:
    """A CSV file's cells as text, in `frame`, and how it was written; `key` differs when the content does."""

    name: str
    key: str
    columns: tuple[str, ...]
    delimiter: str
    decimal: str
    frame: pd.DataFrame

    @property
    def suggested_target(self) -> str:
        """The column with the class in most tables: the last."""
        return self.columns[-1]


def read_table(file: CsvFile, *, name: str) -> Table:
    """Return the table in `file`: bytes, a path, or a binary file; `name` is what messages call it.

    UTF-8, with or without a byte order mark; comma, semicolon or tab between cells; a first line of names.

    Raises UploadError as described above.

    >>> table = read_table(b"width;kind\\n1,5;a\\n2,5;b\\n", name="leaves.csv")
    >>> table.columns, table.delimiter, table.decimal
    (('width', 'kind'), ';', ',')
    """
    content = read_content(file, name)
    text, delimiter = delimited(decoded(content, name), name)
    lines = text.count("\n") + text.count("\r") - text.count("\r\n")
    if lines > MOST_ROWS + 1:
        message = _("The file {name} has {rows} lines; at most {most} are read.")
        raise UploadError(message.format(name=name, rows=number(lines), most=number(MOST_ROWS)))
    try:
        header = _header(text, delimiter, name)
        rows = _require_equal_rows(text, delimiter, name)
        if not rows:
            raise UploadError(_("The file {name} has names of columns and no rows.").format(name=name))
        frame = _cells(text, delimiter, rows, name)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        message = _("The file {name} cannot be cut into cells ({reason}).")
        raise UploadError(message.format(name=name, reason=" ".join(str(error).split()))) from error
    frame.columns = list(header)
    key = hashlib.sha256(content).hexdigest()[:16]
    return Table(name, key, header, delimiter, _decimal(frame, delimiter), frame)


def _header(text: str, delimiter: str, name: str) -> tuple[str, ...]:
    first_line = text.lstrip("\r\n").partition("\n")[0].partition("\r")[0]
    if first_line.count(delimiter) >= MOST_COLUMNS:
        message = _("The file {name} has {count} columns; at most {most} are read.")
        count = number(first_line.count(delimiter) + 1)
        raise UploadError(message.format(name=name, count=count, most=number(MOST_COLUMNS)))
    _line, cells = next(lines_of(text, delimiter, name), (0, None))
    if cells is None:
        raise UploadError(_("The file {name} is empty.").format(name=name))
    names = [" ".join(cell.split()) for cell in cells]
    if all(map(_NUMBER.fullmatch, names)) or any(map(_FRACTION.fullmatch, names)):
        message = _("The first line of {name} holds numbers; the names of the columns were expected there.")
        raise UploadError(message.format(name=name))
    names = [cell or _("column {number}").format(number=place) for place, cell in enumerate(names, start=1)]
    twice = next((cell for cell in names if names.count(cell) > 1), None)
    if twice is not None:
        message = _("Two columns of {name} are called {column}; each needs a name of its own.")
        raise UploadError(message.format(name=name, column=shortened(twice)))
    return tuple(names)


def _require_equal_rows(text: str, delimiter: str, name: str) -> int:
    """How many rows there are, the header not counted; each has as many cells as it."""
    lines = lines_of(text, delimiter, name)
    _line, header = next(lines)
    rows = 0
    for line, cells in lines:
        if len(cells) != len(header):
            message = _("Line {line} of {name} has {found} cells where the first line has {expected}.")
            found, expected = number(len(cells)), number(len(header))
            raise UploadError(message.format(line=number(line), name=name, found=found, expected=expected))
        rows += 1
    return rows


def _cells(text: str, delimiter: str, rows: int, name: str) -> pd.DataFrame:
    """All cells as text, by a parser that takes an eighth of the memory of lists."""
    frame = pd.read_csv(
        io.StringIO(text, newline=""),
        sep=delimiter,
        header=None,
        dtype=str,
        keep_default_na=False,
        skipinitialspace=True,
    )
    if len(frame) != rows + 1:
        message = _("The file {name} cannot be cut into rows; look for quotation marks that stand alone.")
        raise UploadError(message.format(name=name))
    return frame.iloc[1:].reset_index(drop=True)


def _decimal(frame: pd.DataFrame, delimiter: str) -> str:
    """What the numbers of a table have for a decimal mark, as far as one can tell."""
    if delimiter == ",":
        return "."
    commas, points = (_matches(frame, pattern) for pattern in (_DECIMAL_COMMA, _DECIMAL_POINT))
    return "," if commas > points else "."


def _matches(frame: pd.DataFrame, pattern: str) -> int:
    return sum(int(column.str.strip().str.match(pattern).sum()) for _name, column in frame.items())
