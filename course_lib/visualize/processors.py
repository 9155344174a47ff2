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
    """Inside the ``with`` block OpenMP uses one thread for few `rows`, else what it likes.

    OpenMP keeps that number for each calling thread. BLAS has one for the whole process, which two jobs at
    once would put back in the wrong order; few rows it calculates on one thread anyway.

    >>> with suited_to(rows=150):
    ...     pass
    """
    if rows > MANY_ROWS:
        yield
    else:
        with threadpool_limits(1, user_api="openmp"):
            yield
