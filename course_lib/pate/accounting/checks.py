"""What every function of the accounting asks of its input: a ValueError of one sentence with the value.

Leaves out repairing anything: votes that do not add up are refused, not rounded.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from course_lib.i18n import _


def checked_votes(votes: ArrayLike) -> np.ndarray:
    """Votes of shape (queries, classes) as int64: how many teachers voted for each class.

    Raises ValueError for no rows, fewer than two classes, an entry that is no whole number from 0 up, or
    rows that do not sum to the same positive number of teachers.

    >>> checked_votes([[3.0, 1.0], [0.0, 4.0]])
    array([[3, 1],
           [0, 4]])
    >>> checked_votes([[3, 1], [2, 1]])
    Traceback (most recent call last):
    ValueError: Every row of votes must have the same positive sum as row 0, 4, but row 1 has 3.
    """
    table = np.asarray(votes)
    if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] < 2 or table.dtype.kind not in "buif":
        message = _(
            "Votes must be a table of numbers with at least one row (a query) and two columns (classes),"
            " but {type} of shape {shape} came."
        )
        raise ValueError(message.format(type=table.dtype, shape=table.shape))
    with np.errstate(invalid="ignore"):
        wrong = ~((table >= 0) & (table <= 2**31) & (table == np.floor(table)))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        message = _("A vote count must be a whole number from 0 up, but {value} came in row {row}.")
        raise ValueError(message.format(value=table[row, column], row=row))
    table = table.astype(np.int64)
    sums = table.sum(axis=1)
    different = np.flatnonzero((sums != sums[0]) | (sums == 0))
    if different.size:
        row = different[0]
        message = _(
            "Every row of votes must have the same positive sum as row 0, {expected},"
            " but row {row} has {sum}."
        )
        raise ValueError(message.format(expected=sums[0], row=row, sum=sums[row]))
    return table


def checked_positive(name: str, value: float) -> float:
    """The value, if it is a finite number above 0; the message names it as `name`.

    >>> checked_positive("sigma", -5)
    Traceback (most recent call last):
    ValueError: sigma must be a number above 0, but -5 came.
    """
    if not (math.isfinite(value) and value > 0):
        raise ValueError(
            _("{name} must be a number above 0, but {value} came.").format(name=name, value=value)
        )
    return float(value)


def checked_delta(delta: float) -> float:
    """The value, if it lies strictly between 0 and 1.

    >>> checked_delta(1)
    Traceback (most recent call last):
    ValueError: delta must lie between 0 and 1, both excluded, but 1 came.
    """
    if not 0 < delta < 1:
        message = _("delta must lie between 0 and 1, both excluded, but {value} came.")
        raise ValueError(message.format(value=delta))
    return float(delta)


def checked_orders(rdp_orders: ArrayLike) -> np.ndarray:
    """Rényi orders as floats of shape (orders,); a single one becomes an array of one.

    >>> checked_orders([2, 1])
    Traceback (most recent call last):
    ValueError: A Rényi order must be a number above 1, but 1.0 came.
    """
    orders = np.atleast_1d(np.asarray(rdp_orders, dtype=float))
    wrong = ~(np.isfinite(orders) & (orders > 1))
    if wrong.any() or orders.ndim != 1 or not orders.size:
        value = orders[wrong].flat[0] if wrong.any() else orders.shape
        message = _("A Rényi order must be a number above 1, but {value} came.")
        raise ValueError(message.format(value=value))
    return orders


def checked_threshold(threshold: float, *, teachers: int) -> float:
    """The threshold, if so many teachers could agree.

    >>> checked_threshold(300, teachers=250)
    Traceback (most recent call last):
    ValueError: The threshold must lie between 0 and the number of teachers, 250, but 300 came.
    """
    if not 0 <= threshold <= teachers:
        message = _(
            "The threshold must lie between 0 and the number of teachers, {teachers}, but {value} came."
        )
        raise ValueError(message.format(teachers=teachers, value=threshold))
    return float(threshold)
