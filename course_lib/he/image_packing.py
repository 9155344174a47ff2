"""The public numbers of a network, and where its image's pixels sit in slots: so that rotations are few.

Everything here is NumPy: no encryption. There are two ways (each tested against the plain network):

- The client lays the image out so that a convolution costs no rotation: for each place in the kernel, the
  pixels that all positions meet there, side by side, a copy for every feature map (im2col).
- Or it sends each pixel in a few ciphertexts only ("compact"): the image in `stride` x `stride` parts, of
  every stride-th row and column; a rotation then moves the kernel by a whole stride.

Leaves out the layers, which stand in `layer_packing`.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from course_lib.he.packing import lanes_for, next_power_of_two
from course_lib.i18n import _

LAYOUTS = ("im2col", "compact")


@dataclass(frozen=True)
class NetworkShape:
    """The public numbers of a network: convolution, square, dense, square, dense.

    One image of `image` x `image` pixels with `padding` zeros around it, `maps` kernels of `kernel` x
    `kernel` that move by `stride`, `hidden` units (a power of two), `classes` scores.

    >>> shape = NetworkShape()
    >>> shape.side, shape.grid, shape.features
    (7, 8, 784)
    """

    image: int = 28
    padding: int = 2
    kernel: int = 8
    stride: int = 4
    maps: int = 16
    hidden: int = 64
    classes: int = 10

    def __post_init__(self):
        sizes = (self.image, self.kernel, self.stride, self.maps, self.hidden, self.classes)
        if min(sizes) < 1 or self.padding < 0 or self.image + 2 * self.padding < self.kernel:
            raise ValueError(
                _("A kernel that fits into the image was expected, but {shape} came.").format(shape=self)
            )
        if self.hidden & (self.hidden - 1) or lanes_for(self.classes) > self.hidden:
            raise ValueError(
                _(
                    "A number of hidden units was expected that is a power of two, and larger than the"
                    " {classes} classes, but {hidden} came."
                ).format(classes=self.classes, hidden=self.hidden)
            )

    @property
    def features(self) -> int:
        """How many pixels an image has."""
        return self.image**2

    @property
    def side(self) -> int:
        """How many positions the kernel has in each direction."""
        return (self.image + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def grid(self) -> int:
        """The side of a part of the padded image that holds every stride-th row and column."""
        return -(-(self.image + 2 * self.padding) // self.stride)


@dataclass(frozen=True)
class ImageLayout:
    """How the client lays out an image for a network of this shape; it knows no weights.

    The slots are divided into `blocks`; a block has room for each feature map's copy of one view of the
    image. A view starts at some row and column of the padded image and takes every stride-th of both.

    >>> wide, compact = (ImageLayout(NetworkShape(), slots=4096, name=name) for name in LAYOUTS)
    >>> wide.blocks, len(wide.views), wide.ciphertexts, wide.moves
    (4, 64, 16, ((0, 0),))
    >>> len(compact.views), compact.ciphertexts, compact.moves
    (16, 4, ((0, 0), (0, 1), (1, 0), (1, 1)))
    """

    shape: NetworkShape
    slots: int
    name: str

    def __post_init__(self):
        if self.name not in LAYOUTS:
            raise ValueError(
                _("One of the layouts {known} was expected, but {name} came.").format(
                    known=", ".join(LAYOUTS), name=self.name
                )
            )
        if self.block > self.slots:
            raise ValueError(
                _("The feature maps need {needed} slots, but there are {slots}.").format(
                    needed=self.block, slots=self.slots
                )
            )

    @property
    def features(self) -> int:
        """How many pixels are encrypted."""
        return self.shape.features

    @property
    def cells(self) -> int:
        """How many slots one view takes: those of its grid, filled up to a power of two."""
        return next_power_of_two(self.shape.grid**2)

    @property
    def block(self) -> int:
        """How many slots one view takes for all feature maps together."""
        return self.cells * next_power_of_two(self.shape.maps)

    @property
    def blocks(self) -> int:
        """How many views one ciphertext holds."""
        return self.slots // self.block

    @property
    def views(self) -> tuple[tuple[int, int], ...]:
        """Where each view starts: one for each place in the kernel, or only those within one stride."""
        starts = range(
            self.shape.kernel if self.name == "im2col" else min(self.shape.stride, self.shape.kernel)
        )
        return tuple(itertools.product(starts, starts))

    @property
    def moves(self) -> tuple[tuple[int, int], ...]:
        """By how many strides, down and right, the server moves a view to get at further places."""
        reach = range(1 if self.name == "im2col" else -(-self.shape.kernel // self.shape.stride))
        return tuple(itertools.product(reach, reach))

    @property
    def ciphertexts(self) -> int:
        """How many ciphertexts the views fill."""
        return -(-len(self.views) // self.blocks)

    def arrange(self, image: np.ndarray) -> np.ndarray:
        """The slots of each ciphertext for an image of shape (features,): (ciphertexts, slots), float."""
        shape, grid = self.shape, self.shape.grid
        room = max(shape.kernel, shape.stride) + grid * shape.stride
        padded = np.zeros((room, room))
        inside = slice(shape.padding, shape.padding + shape.image)
        padded[inside, inside] = np.reshape(image, (shape.image, shape.image))
        reach = grid * shape.stride
        arranged = np.zeros((self.ciphertexts * self.blocks, self.block // self.cells, self.cells))
        for view, (row, column) in zip(arranged, self.views, strict=False):
            part = padded[row : row + reach : shape.stride, column : column + reach : shape.stride]
            view[: shape.maps, : grid**2] = part.ravel()
        return arranged.reshape(self.ciphertexts, self.slots)
