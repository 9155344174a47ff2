"""A file of Covertype's size and format, made on the spot, for where the real one cannot be had.

Promises: 581,012 rows, 54 features and 7 classes in the format of UCI's ``covtype.data.gz``, the classes as
frequent as there, the same bytes for the same seed, in seconds. What a model finds in it is made up: ten
numbers that depend on the class, a wilderness area, a soil type. Leaves out any truth about forests.
"""

import gzip
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

ROWS_BY_CLASS = (211_840, 283_301, 35_754, 2_747, 9_493, 17_367, 20_510)

# Each class's middle (a row), for the ten numbers in their order; and how far they spread.
_MIDDLES = np.array(
    [
        [3128, 156, 13, 270, 42, 2614, 212, 223, 143, 2009],
        [2920, 152, 13, 280, 46, 2429, 214, 225, 142, 2168],
        [2394, 176, 21, 210, 62, 944, 202, 216, 141, 911],
        [2223, 137, 19, 107, 41, 914, 228, 217, 111, 859],
        [2787, 139, 17, 212, 51, 1349, 223, 219, 122, 1577],
        [2419, 180, 19, 160, 45, 1037, 193, 210, 148, 1055],
        [3362, 153, 14, 357, 69, 2738, 217, 222, 135, 2070],
    ]
)
_SPREADS = np.array([150, 110, 7, 200, 57, 1400, 25, 19, 37, 1200])
_LOWEST = np.array([1859, 0, 0, 0, -173, 0, 0, 0, 0, 0])
_HIGHEST = np.array([3858, 360, 66, 1397, 601, 7117, 254, 254, 254, 7173])


def write_covertype(path: Path, *, seed: int = 0, rows_by_class: tuple[int, ...] = ROWS_BY_CLASS) -> Path:
    """Write the file to `path` (gzip, some 11 MB) and return it; other `rows_by_class` make a wrong file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = write_covertype(Path(folder) / "few.gz", rows_by_class=(2, 1, 1, 1, 1, 1, 1))
    ...     lines = gzip.decompress(made.read_bytes()).decode("ascii").splitlines()
    >>> len(lines), {len(line.split(",")) for line in lines}, lines[0].count(",1") >= 2
    (8, {55}, True)
    """
    random = np.random.default_rng(seed)
    classes = random.permutation(np.repeat(np.arange(7), rows_by_class))
    numbers = random.normal(_MIDDLES[classes], _SPREADS).round().clip(_LOWEST, _HIGHEST).astype(np.int32)
    wilderness = _one_of(4, near=classes % 4, spread=1, random=random)
    soil = _one_of(40, near=5 * classes + 4, spread=6, random=random)
    columns = [*numbers.T, *wilderness.T, *soil.T, classes + 1]
    table = pa.table({str(place): column for place, column in enumerate(columns)})
    # No time of writing in the header: the same seed makes the same bytes.
    with path.open("wb") as file, gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as packed:
        csv.write_csv(table, packed, csv.WriteOptions(include_header=False))
    return path


def _one_of(count: int, *, near: np.ndarray, spread: float, random: np.random.Generator) -> np.ndarray:
    """One 1 in each row of `count` zeros, somewhere around the place `near`; uint8."""
    places = (near + random.normal(0, spread, len(near)).round().astype(int)) % count
    return np.eye(count, dtype=np.uint8)[places]


if __name__ == "__main__":
    print(write_covertype(Path(sys.argv[1])))
