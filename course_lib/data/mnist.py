"""MNIST: 70,000 handwritten digits, as ``tf.keras.datasets.mnist`` returns them.

Promises: the same arrays as ``tensorflow.keras.datasets.mnist.load_data()``, so that code written
for that one runs with its import changed, from files that lie in ``data/mnist`` and were checked.
Leaves out: scaling, splitting, batches; a lesson does that where one can see it.
"""

import gzip
import math

import numpy as np

from course_lib.data import integrity

_UNSIGNED_BYTES = 0x08  # the IDX format's code for this type of number


def load_data(
    path: str = "mnist.npz",
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return ``(x_train, y_train), (x_test, y_test)``.

    Images are uint8 arrays of shape (60000, 28, 28) and (10000, 28, 28), 0 is the paper and 255 the
    ink; labels are uint8 arrays of shape (60000,) and (10000,), the digits 0 to 9. The arrays are the
    caller's own and may be written to. `path` is accepted because Keras has it, and is not used.

    Raises `course_lib.data.DataError` when a file is missing, truncated, altered or unreadable.

    >>> (x_train, y_train), (x_test, y_test) = load_data()
    >>> x_train.shape, y_train[:3].tolist()
    ((60000, 28, 28), [5, 0, 4])

    Source: LeCun, Cortes and Burges, The MNIST database of handwritten digits (1998); see the card.
    """
    return (
        (_read_idx("train-images-idx3-ubyte.gz"), _read_idx("train-labels-idx1-ubyte.gz")),
        (_read_idx("t10k-images-idx3-ubyte.gz"), _read_idx("t10k-labels-idx1-ubyte.gz")),
    )


def _read_idx(name: str) -> np.ndarray:
    """Read a gzipped IDX file: two zeros, type, number of axes, the axes' lengths, the values."""
    content = gzip.decompress(integrity.read(f"mnist/{name}"))
    zeros, kind, axes = int.from_bytes(content[:2]), content[2], content[3]
    start = 4 + 4 * axes
    shape = tuple(np.frombuffer(content[4:start], dtype=">u4").tolist())
    if (zeros, kind) != (0, _UNSIGNED_BYTES) or len(content) - start != math.prod(shape):
        raise ValueError(
            f"expected an IDX file of unsigned bytes in {name}, its first bytes are {content[:4]}"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape).copy()
