"""Average pooling as the engine likes it: sums of slices instead of a window that moves over the image.

The answer is the same. The engine's own moving window takes most of a query's time and much of its memory;
slices are whole arrays. Leaves alone pooling that fills up the border, and channels that come first.
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


@contextlib.contextmanager
def summed_pooling(model: "keras.Model") -> Iterator[None]:
    """While the block runs, the model's average pooling sums slices; afterwards it is as it was."""
    changed = [layer for layer in _layers(model) if _can_be_summed(layer)]
    for layer in changed:
        layer.call = functools.partial(sum_of_slices, size=layer.pool_size, strides=layer.strides)
    try:
        yield
    finally:
        for layer in changed:
            del layer.call


def sum_of_slices(values, *, size: tuple[int, int], strides: tuple[int, int]):
    """The averages of `values`, (batch, rows, columns, channels), over windows that lie wholly inside.

    >>> import numpy as np
    >>> sum_of_slices(np.arange(9.0).reshape(1, 3, 3, 1), size=(2, 2), strides=(1, 1))[0, :, :, 0]
    array([[2., 3.],
           [5., 6.]])
    """
    rows, columns = (
        [slice(first, length - window + first + 1, step) for first in range(window)]
        for length, window, step in zip(values.shape[1:3], size, strides, strict=True)
    )
    return sum(values[:, row, column] for row in rows for column in columns) * (1 / (size[0] * size[1]))


def _layers(model: "keras.Model") -> Iterator["keras.layers.Layer"]:
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer


def _can_be_summed(layer: "keras.layers.Layer") -> bool:
    import keras

    return (
        type(layer) is keras.layers.AveragePooling2D
        and layer.padding == "valid"
        and layer.data_format == "channels_last"
    )
