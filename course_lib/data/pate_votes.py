"""PATE votes: how 100 and 250 teachers voted on MNIST's 10,000 test images.

Promises: the tables that the course's figures about other people's accounting were made with, from files
that lie in ``data/pate-votes`` and were checked. Leaves out: the teachers; `course_lib.pate` trains its own.
"""

import io

import numpy as np

from course_lib.data import integrity
from course_lib.i18n import _

_TEACHERS = (100, 250)


def load_data(*, teachers: int) -> np.ndarray:
    """Return the votes of 100 or of 250 `teachers`: int64, (10000, 10), row i for test image i of MNIST.

    Every row sums to `teachers`. Raises ValueError for another number; `course_lib.data.DataError` when the
    file is missing, truncated, altered or unreadable.

    >>> load_data(teachers=100)[8].tolist()
    [4, 0, 1, 0, 2, 62, 27, 0, 2, 2]
    """
    if teachers not in _TEACHERS:
        message = _(
            "The course has votes for these numbers of teachers: {known}; those of {teachers} were asked for."
        )
        raise ValueError(message.format(known=", ".join(map(str, _TEACHERS)), teachers=teachers))
    content = integrity.read(f"pate-votes/teachers-{teachers}.npz")
    with np.load(io.BytesIO(content), allow_pickle=False) as table:
        return table["votes"].astype(np.int64)
