"""Wine Quality, red: 1,599 wines, eleven measurements each, and what experts thought of them.

Promises: the table as UCI publishes it, rows and columns in its order, from a file that lies in
``data/wine-quality`` and was checked. Leaves out: the white wines, and any cleaning (240 rows repeat
an earlier one, which matters when you split; the card says more).
"""

import io

import pandas as pd

from course_lib.data import integrity


def load_data() -> pd.DataFrame:
    """Return the 1,599 wines, a row each, in UCI's order and under UCI's column names.

    Eleven columns float64, from ``fixed acidity`` to ``alcohol`` (units in ``data/wine-quality/CARD.md``),
    then ``quality``, int64, between 3 and 8.

    Raises `course_lib.data.DataError` when the file is missing, truncated, altered or unreadable.

    >>> wine = load_data()
    >>> wine.shape, wine["quality"].value_counts().sort_index().to_dict()
    ((1599, 12), {3: 10, 4: 53, 5: 681, 6: 638, 7: 199, 8: 18})

    Source: Cortez et al. (2009), https://doi.org/10.24432/C56S3T.
    """
    content = integrity.read("wine-quality/winequality-red.csv")
    wine = pd.read_csv(io.BytesIO(content), sep=";", dtype="float64")
    return wine.astype({"quality": "int64"})
