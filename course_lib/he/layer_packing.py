"""Where the weights of a network's layers sit in slots, and how its rotations follow from that.

Everything here is NumPy: no encryption. A convolution's rotations follow from how the image lies
(`image_packing`). A dense layer takes the diagonals of its weights (Halevi and Shoup 2014, "Algorithms in
HElib"), with some of the rotations before the products and some after them: baby steps and giant steps
(Halevi and Shoup 2018, "Faster Homomorphic Linear Transformations in HElib"), so that n shifts cost about
2 sqrt(n) rotations. Both are tested against the plain network.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from course_lib.he.image_packing import ImageLayout
from course_lib.i18n import _


@dataclass(frozen=True)
class ConvolutionLayout:
    """A convolution of an image that lies as `image` says. Every block ends up with all feature maps.

    A term is a ciphertext and the number of slots that it is rotated by before its product.

    >>> from course_lib.he.image_packing import NetworkShape
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
