"""How many processors a calculation on so many rows should use.

On few rows, several threads wait for each other longer than they calculate: beside another busy process,
fifty trees of boosting on Iris take 5 s with two threads and 0.1 s with one.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

#: From this many training rows on, a tree takes seconds and not milliseconds.
MANY_ROWS = 50_000


@contextmanager
def suited_to(rows: int) -> Iterator[None]:
    """Inside the ``with`` block numerical libraries use one thread for few `rows`, else what they like.

    >>> with suited_to(rows=150):
    ...     pass
    """
    if rows > MANY_ROWS:
        yield
    else:
        with threadpool_limits(1):
            yield
