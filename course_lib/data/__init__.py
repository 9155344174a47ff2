"""Where the course's data sets lie, and whether their files are the ones that were published.

Promises: every file is compared with its size and SHA-256 before a byte of it is used; one that is
missing, truncated, altered or unreadable is a `DataError` that names it and the command that
mends it. Leaves out: downloads (the data travels with the repository) and anything about models.
Each data set's card, ``data/<data set>/CARD.md``, says who made it, its licence and its faults.

>>> from course_lib.data import mnist, pate_votes, wine_quality
>>> (x_train, y_train), (x_test, y_test) = mnist.load_data()
>>> votes = pate_votes.load_data(teachers=100)
>>> wine = wine_quality.load_data()
"""

from course_lib.data.integrity import DATA_FOLDER, DATASETS, DataError, verify

__all__ = ["DATASETS", "DATA_FOLDER", "DataError", "verify"]
