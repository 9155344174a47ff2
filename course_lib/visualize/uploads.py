"""A CSV file of one's own as a data set, and tables that are handed out as CSV.

Promises: what cannot be a classifier's data is an `UploadError` of one sentence that names the column, the
row and the value; what was left out or has to be filled in stands in the data set's notes. A cell that a
spreadsheet would run as a formula (``=cmd…``) is text here, and `safe_csv` hands none out. Leaves out
features that are not numbers: encode them before, so that you know what was done.

Source: OWASP, CSV Injection, for what spreadsheets take for formulas.
"""

import hashlib
import re

import numpy as np
import pandas as pd

from course_lib.i18n import _, number
from course_lib.visualize import samples
from course_lib.visualize.csv_text import UPLOAD_LIMIT, CsvFile, UploadError, shortened
from course_lib.visualize.datasets import Dataset, read_only
from course_lib.visualize.tables import MOST_COLUMNS, MOST_ROWS, Table, read_table

__all__ = [
    "LEAST_ROWS",
    "MOST_CLASSES",
    "MOST_COLUMNS",
    "MOST_ROWS",
    "UPLOAD_LIMIT",
    "Table",
    "UploadError",
    "as_dataset",
    "read_csv",
    "read_table",
    "safe_csv",
]

MOST_CLASSES = 30

#: A class with fewer rows may be missing in the test part after a stratified split.
LEAST_ROWS = 4

_MISSING = ("", "?", "-", "na", "n/a", "#n/a", "nan", "null", "none")
_RESERVED = (samples.ROW, samples.TRUE, samples.PREDICTED, samples.PROBABILITY, samples.WRONG)

# Where a spreadsheet may begin a cell, whichever delimiter it believes in; and what begins a formula.
_FORMULA = re.compile(r"(^|[,;|\t\r\n\"'])(\s*)([=+\-@＝＋－＠])")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?")


def read_csv(file: CsvFile, *, name: str, target: str | None = None) -> Dataset:
    """Return the data set in `file`, whose classes stand in the column `target`, by default the last.

    Raises UploadError, as `read_table` and `as_dataset` do.

    >>> leaves = read_csv(b"width,kind\\n" + 4 * b"1.5,a\\n2,b\\n", name="leaves.csv")
    >>> leaves.class_names, leaves.features.shape
    (('a', 'b'), (8, 1))
    """
    return as_dataset(read_table(file, name=name), target=target)


def as_dataset(table: Table, *, target: str | None = None) -> Dataset:
    """Return `table` as a data set: the column `target`, by default the last, as classes, others as numbers.

    Rows without a class are left out; other missing values (an empty cell, ``NA``, ``?``) become NaN.

    Raises UploadError for text where numbers belong, for one class alone or over 30, a class of under four
    rows.
    """
    target = table.suggested_target if target is None else target
    if target not in table.columns:
        message = _("The file {name} has no column {column}.")
        raise UploadError(message.format(name=table.name, column=shortened(target)))
    kinds = table.frame[target].str.strip()
    known = ~_is_missing(kinds)
    notes = []
    if not known.all():
        message = _("Rows without a class were left out: {count}.")
        notes.append(message.format(count=number(int((~known).sum()))))
    class_names, codes = _classes(kinds[known], target)
    names = [column for column in table.columns if column != target]
    features = np.empty((len(codes), len(names)), np.float32)
    for place, column in enumerate(names):
        features[:, place] = _numbers(table.frame[column], table.decimal)[known]
        if np.isnan(features[:, place]).all():
            message = _("The column {column} has no values.")
            raise UploadError(message.format(column=shortened(column)))
    missing = np.isnan(features).sum(axis=0)
    if missing.any():
        message = _("Missing values are filled with the column's median in the training rows: {count}.")
        notes.append(message.format(count=number(int(missing.sum()))))
    return Dataset(
        key="csv-" + hashlib.sha256(f"{table.key}\0{target}".encode()).hexdigest()[:16],
        label=table.name,
        features=read_only(features),
        target=read_only(codes),
        feature_names=tuple(samples.apart(names, _RESERVED)),
        class_names=class_names,
        notes=tuple(notes),
        own=True,
    )


def safe_csv(table: pd.DataFrame) -> bytes:
    """Return `table` as a CSV file, UTF-8 with a byte order mark, in which no spreadsheet finds a formula.

    An apostrophe stands before what would begin one; numbers, negative ones too, stay as they are.

    >>> safe_csv(pd.DataFrame({"x": [-1.5], "note": ["=1+1"]})).decode("utf-8-sig")
    '"x","note"\\r\\n-1.5,"\\'=1+1"\\r\\n'
    """
    safe = table.map(_without_formula)
    safe.columns = [_without_formula(str(column)) for column in table.columns]
    return safe.to_csv(index=False, quoting=2, lineterminator="\r\n").encode("utf-8-sig")


def _without_formula(value: object) -> object:
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    return _FORMULA.sub(r"\1'\2\3", value)


def _is_missing(column: pd.Series) -> np.ndarray:
    return column.str.lower().isin(_MISSING).to_numpy()


def _classes(kinds: pd.Series, target: str) -> tuple[tuple[str, ...], np.ndarray]:
    """The classes' names in order, numbers by their value, and each row's place among them."""
    counts = kinds.value_counts()
    column = shortened(target)
    if len(counts) < 2:
        message = _("The column {column} needs two classes or more; the number of classes in it is {count}.")
        raise UploadError(message.format(column=column, count=len(counts)))
    if len(counts) > MOST_CLASSES:
        message = _("The column {column} has {count} different values; at most {most} classes are taken.")
        raise UploadError(message.format(column=column, count=number(len(counts)), most=MOST_CLASSES))
    if counts.min() < LEAST_ROWS:
        message = _(
            "The class {name} in the column {column} has too few rows, {count}; each class needs {least}, to "
            "be among training and test rows."
        )
        rare = shortened(counts.idxmin())
        raise UploadError(message.format(name=rare, column=column, count=counts.min(), least=LEAST_ROWS))
    names = sorted(counts.index)
    if all(re.fullmatch(r"[+-]?\d{1,15}", name) for name in names):
        names.sort(key=int)
    place = {name: code for code, name in enumerate(names)}
    return tuple(map(str, names)), kinds.map(place).to_numpy(dtype=np.int64)


def _numbers(column: pd.Series, decimal: str) -> np.ndarray:
    """The column's values, float32, NaN where one is missing."""
    text = column.str.strip()
    missing = _is_missing(text)
    if decimal == ",":
        thousands = text.str.match(r"^[+-]?\d{1,3}(\.\d{3})+(,\d+)?$")
        text = text.where(~thousands, text.str.replace(".", "", regex=False))
        misread = text.str.contains(".", regex=False).to_numpy() & ~missing
        text = text.str.replace(",", ".", regex=False)
    else:
        misread = np.zeros(len(text), bool)
    values = pd.to_numeric(text.where(~missing), errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    wrong = (misread | ~np.isfinite(values)) & ~missing
    if wrong.any():
        row = int(wrong.argmax())
        message = _("The column {column} needs numbers; in row {row} it holds {value}.")
        name, value = shortened(str(column.name)), shortened(str(column.iloc[row]))
        raise UploadError(message.format(column=name, row=number(row + 1), value=value))
    return values
