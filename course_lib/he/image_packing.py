"""Where the numbers of a convolutional network sit in slots: the image, the feature maps, the hidden units.

Everything here is NumPy: no encryption. Three ideas (each tested against the plain network):

- The client lays the image out so that a convolution costs no rotation: for each place in the kernel, the
  pixels that all positions meet there, side by side, a copy for every feature map (im2col).
- Or it sends each pixel in a few ciphertexts only ("compact"): the image in `stride` x `stride` parts, of
  every stride-th row and column; a rotation then moves the kernel by a whole stride.
- A dense layer takes the diagonals of its weights (Halevi and Shoup 2014, "Algorithms in HElib"), with some
  of the rotations before the products and some after them: baby steps and giant steps (Halevi and Shoup 2018,
  "Faster Homomorphic Linear Transformations in HElib"), so that n shifts cost about 2 sqrt(n) rotations.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from course_lib.he.packing import lanes_for
from course_lib.i18n import _

LAYOUTS = ("im2col", "compact")


def _next_power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()


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
        return _next_power_of_two(self.shape.grid**2)

    @property
    def block(self) -> int:
        """How many slots one view takes for all feature maps together."""
        return self.cells * _next_power_of_two(self.shape.maps)

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


@dataclass(frozen=True)
class ConvolutionLayout:
    """A convolution of an image that lies as `image` says. Every block ends up with all feature maps.

    A term is a ciphertext and the number of slots that it is rotated by before its product.

    >>> layout = ConvolutionLayout(ImageLayout(NetworkShape(), slots=4096, name="im2col"))
    >>> len(layout.terms), layout.fold_steps, layout.rotations
    (16, (1024, 2048), 2)
    >>> ConvolutionLayout(ImageLayout(NetworkShape(), slots=4096, name="compact")).terms[:4]
    ((0, 0), (0, 1), (0, 8), (0, 9))
    """

    image: ImageLayout
    shifts = ((0,),)
    group_step = 0

    @property
    def name(self) -> str:
        """What the layer is called in the plan's table."""
        return _("convolution")

    @property
    def terms(self) -> tuple[tuple[int, int], ...]:
        """Each ciphertext with each of the rotations that move it."""
        steps = [down * self.image.shape.grid + right for down, right in self.image.moves]
        return tuple(itertools.product(range(self.image.ciphertexts), steps))

    @property
    def fold_steps(self) -> tuple[int, ...]:
        """The rotations that sum the blocks."""
        return _doublings(self.image.block, self.image.slots)

    @property
    def steps(self) -> tuple[int, ...]:
        """By how many slots each rotation goes, in order."""
        return tuple(step for _ciphertext, step in self.terms if step) + self.fold_steps

    @property
    def rotations(self) -> int:
        """How many rotations the server makes in all."""
        return len(self.steps)

    @property
    def feature_of_slot(self) -> np.ndarray:
        """For each slot, which output it holds as (maps, side, side) is read, or -1: shape (slots,), int.

        Only the first of the equal blocks is read.
        """
        shape, image = self.image.shape, self.image
        places = np.full((image.block // image.cells, image.cells), -1)
        grid = np.full((shape.grid, shape.grid), -1)
        for number in range(shape.maps):
            grid[: shape.side, : shape.side] = number * shape.side**2 + np.arange(shape.side**2).reshape(
                shape.side, shape.side
            )
            places[number, : shape.grid**2] = grid.ravel()
        return np.concatenate([places.ravel(), np.full(image.slots - image.block, -1)])

    def diagonals(self, weights: np.ndarray) -> np.ndarray:
        """The plain slots to multiply by: (1, 1, terms, slots), for `weights` (maps, kernel, kernel)."""
        shape, image = self.image.shape, self.image
        placed = np.zeros((image.ciphertexts, image.blocks, len(image.moves), image.block // image.cells))
        for view, (row, column) in enumerate(image.views):
            for move, (down, right) in enumerate(image.moves):
                y, x = row + down * shape.stride, column + right * shape.stride
                if max(y, x) < shape.kernel:
                    placed[view // image.blocks, view % image.blocks, move, : shape.maps] = weights[:, y, x]
        terms = placed.transpose(0, 2, 1, 3).reshape(len(self.terms), -1)
        return terms.repeat(image.cells, axis=1)[None, None]

    def in_lanes(self, constants: np.ndarray) -> np.ndarray:
        """`constants` of shape (maps,), each in all slots of its feature map: (slots,), float."""
        image = self.image
        padded = np.zeros(image.block // image.cells)
        padded[: image.shape.maps] = constants
        return np.tile(padded.repeat(image.cells), image.blocks)


@dataclass(frozen=True)
class DenseLayout:
    """A dense layer whose inputs repeat after `period` slots.

    Unit i ends up in all slots u with u mod lanes = i, which is how the next layer's inputs repeat.
    `baby_steps` is how many of the `lanes` shifts are done by rotating the inputs; the others are done by
    rotating sums of products.

    >>> layout = DenseLayout(period=4096, lanes=64, baby_steps=8, slots=4096)
    >>> len(layout.terms), layout.group_step, layout.fold_steps, layout.rotations
    (8, 8, (64, 128, 256, 512, 1024, 2048), 20)
    >>> DenseLayout(period=64, lanes=16, baby_steps=4, slots=4096).rotations
    8
    """

    period: int
    lanes: int
    baby_steps: int
    slots: int

    @property
    def name(self) -> str:
        """What the layer is called in the plan's table."""
        return _("dense")

    @property
    def terms(self) -> tuple[tuple[int, int], ...]:
        """The one ciphertext with each of the baby steps."""
        return tuple((0, step) for step in range(self.baby_steps))

    @property
    def shifts(self) -> tuple[tuple[int, ...], ...]:
        """The giant steps: each a group of its own."""
        return tuple((step,) for step in range(0, self.lanes, self.baby_steps))

    @property
    def group_step(self) -> int:
        """How far apart two giant steps lie."""
        return self.baby_steps

    @property
    def fold_steps(self) -> tuple[int, ...]:
        """The rotations that sum each lane over one period."""
        return _doublings(self.lanes, self.period)

    @property
    def steps(self) -> tuple[int, ...]:
        """By how many slots each rotation goes, in order."""
        giant = (self.group_step,) * (len(self.shifts) - 1)
        return tuple(step for _ciphertext, step in self.terms if step) + giant + self.fold_steps

    @property
    def rotations(self) -> int:
        """How many rotations the server makes in all."""
        return len(self.steps)

    def diagonals(self, weights: np.ndarray) -> np.ndarray:
        """The plain slots to multiply by: (giant steps, 1, baby steps, slots).

        `weights` has shape (units, period): a weight for each slot of a period.
        """
        padded = np.zeros((self.lanes, self.period))
        padded[: len(weights)] = weights
        slot = np.arange(self.slots)
        shifted = [padded[(slot - shift) % self.lanes, slot % self.period] for shift in range(self.lanes)]
        # Products that follow a baby step meet inputs that have moved already: so their weights move, too.
        moved = [np.roll(diagonal, -(shift % self.baby_steps)) for shift, diagonal in enumerate(shifted)]
        return np.reshape(moved, (len(self.shifts), 1, self.baby_steps, self.slots))

    def in_lanes(self, constants: np.ndarray) -> np.ndarray:
        """`constants` of shape (units,) repeated in every lane: (slots,), float."""
        padded = np.zeros(self.lanes)
        padded[: len(constants)] = constants
        return np.tile(padded, self.slots // self.lanes)


def _doublings(start: int, end: int) -> tuple[int, ...]:
    """start, 2 start, 4 start, ... below end."""
    return tuple(start << i for i in range((end // start).bit_length() - 1))
