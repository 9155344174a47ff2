"""Where each number sits in the slots of a ciphertext, so that a matrix product costs few rotations.

Everything here is NumPy: no encryption. `multiply_in_slots` does on plain slots, step by step, what
`encrypted_layer` does on encrypted ones, and both are tested against `weights @ values`.

The idea (Halevi and Shoup 2014, "Algorithms in HElib", section 4.3; the hybrid form is that of
Juvekar, Vaikuntanathan and Chandrakasan 2018, "GAZELLE", section 4): a ciphertext can add and multiply slot
by slot, and it can rotate, nothing else. Slot u works for class (u mod lanes). One product of slots
gives each class some of its terms; the same after a shift by one slot gives it the next ones; the
sum over the slots of a lane ("folding") is then log2 of their number in rotations, for all classes at once.
"""

from dataclasses import dataclass

import numpy as np

from course_lib.i18n import _

MIN_PERIOD = 64  # short inputs are padded to this many slots, which leaves room for 63 classes
COMMON_LANES = 16  # the client's copies are shifted so that this many lanes need the fewest rotations


def next_power_of_two(number: int) -> int:
    """The smallest power of two that is at least `number`, which is 1 or more.

    >>> [next_power_of_two(number) for number in (1, 2, 3, 64, 65)]
    [1, 2, 4, 64, 128]
    """
    return 1 << (number - 1).bit_length()


def lanes_for(classes: int) -> int:
    """How many lanes hold that many classes and leave at least one empty: a power of two.

    >>> lanes_for(10), lanes_for(15), lanes_for(16)
    (16, 16, 32)
    """
    return next_power_of_two(classes + 1)


@dataclass(frozen=True)
class ValueLayout:
    """How the client lays out its values; it needs to know how many there are, not what the model is.

    The values are padded to a `period`, and repeated until the slots are full; each copy starts
    `copy_shift` values later than the one before it. Values beyond one ciphertext go into further ones.

    >>> ValueLayout(features=784, slots=2048)
    ValueLayout(features=784, slots=2048)
    >>> layout = ValueLayout(features=784, slots=2048)
    >>> layout.ciphertexts, layout.period, layout.copies, layout.copy_shift
    (1, 1024, 2, 8)
    """

    features: int
    slots: int

    @property
    def period(self) -> int:
        """After how many slots the values repeat."""
        return max(MIN_PERIOD, next_power_of_two(min(self.features, self.slots)))

    @property
    def copies(self) -> int:
        """How often one ciphertext holds each value."""
        return self.slots // self.period

    @property
    def copy_shift(self) -> int:
        """By how many values each copy is ahead of the one before."""
        return max(1, COMMON_LANES // self.copies)

    @property
    def ciphertexts(self) -> int:
        """How many ciphertexts the values fill."""
        return -(-self.features // self.slots)

    def feature_of_slot(self) -> np.ndarray:
        """For each slot, which value of its ciphertext it holds, shape (slots,), int."""
        slot = np.arange(self.slots)
        return (slot + slot // self.period * self.copy_shift) % self.period

    def arrange(self, values: np.ndarray) -> np.ndarray:
        """The slots of each ciphertext for `values` of shape (features,): (ciphertexts, slots), float.

        >>> ValueLayout(3, slots=2048).arrange(np.array([5.0, 6.0, 7.0]))[0, [0, 1, 2, 3, 64, 65]]
        array([5., 6., 7., 0., 6., 7.])
        """
        padded = np.zeros(self.ciphertexts * self.period)
        padded[: self.features] = values
        return padded.reshape(self.ciphertexts, self.period)[:, self.feature_of_slot()]


@dataclass(frozen=True)
class WeightLayout:
    """How the server lays out `classes` rows of weights for values that lie as `values` says.

    A lane is the set of slots u with the same u mod `lanes`; lane i collects the score of class i. At
    least one lane stays empty, so that the client can see that it decrypts to zero. The shifts that make
    each class meet each feature come in groups, `group_step` apart, of neighbours within a group.

    >>> layout = WeightLayout(ValueLayout(features=784, slots=2048), classes=10)
    >>> layout.lanes, layout.shifts, layout.fold_steps, layout.rotations
    (16, ((0, 1, 2, 3, 4, 5, 6, 7),), (16, 32, 64, 128, 256, 512, 1024), 14)
    """

    values: ValueLayout
    classes: int

    @property
    def name(self) -> str:
        """What the layer is called in a plan's table."""
        return _("weights")

    @property
    def lanes(self) -> int:
        """How many lanes there are."""
        return lanes_for(self.classes)

    @property
    def terms(self) -> tuple[tuple[int, int], ...]:
        """Each ciphertext, and the rotation before its product: none."""
        return tuple((number, 0) for number in range(self.values.ciphertexts))

    @property
    def group_step(self) -> int:
        """How far apart two groups of shifts lie: what all copies together cover."""
        return self.values.copies * self.values.copy_shift

    @property
    def shifts(self) -> tuple[tuple[int, ...], ...]:
        """The shifts, group by group."""
        within = range(min(self.values.copy_shift, self.lanes))
        return tuple(
            tuple(start + step for step in within) for start in range(0, self.lanes, self.group_step)
        )

    @property
    def fold_steps(self) -> tuple[int, ...]:
        """The rotations that sum each lane: lanes, 2 lanes, 4 lanes, ..., slots / 2."""
        count = (self.values.slots // self.lanes).bit_length() - 1
        return tuple(self.lanes << i for i in range(count))

    @property
    def rotations(self) -> int:
        """How many rotations the server makes in all."""
        return len(self.steps)

    @property
    def steps(self) -> tuple[int, ...]:
        """By how many slots each rotation goes."""
        within = sum(len(group) - 1 for group in self.shifts)
        return (1,) * within + (self.group_step,) * (len(self.shifts) - 1) + self.fold_steps

    def diagonals(self, weights: np.ndarray) -> np.ndarray:
        """The plain slots to multiply by: (groups, shifts in a group, ciphertexts, slots), float.

        `weights` has shape (classes, features).
        """
        slot = np.arange(self.values.slots)
        feature = self.values.feature_of_slot()
        used = slot // self.values.period * self.values.copy_shift < self.lanes
        padded = np.zeros((self.lanes, self.values.ciphertexts * self.values.period))
        padded[: self.classes, : self.values.features] = weights
        blocks = padded.reshape(self.lanes, self.values.ciphertexts, self.values.period)
        return np.array(
            [
                [(blocks[(slot - shift) % self.lanes, :, feature] * used[:, None]).T for shift in group]
                for group in self.shifts
            ]
        )

    def in_lanes(self, intercept: np.ndarray) -> np.ndarray:
        """`intercept` of shape (classes,) repeated in every lane: (slots,), float."""
        padded = np.zeros(self.lanes)
        padded[: self.classes] = intercept
        return np.tile(padded, self.values.slots // self.lanes)


def split_classes(classes: int, layout: ValueLayout) -> list[slice]:
    """The classes in portions that one ciphertext of scores can hold: a lane each, and one left empty.

    >>> split_classes(100, ValueLayout(features=11, slots=2048))
    [slice(0, 63, None), slice(63, 100, None)]
    """
    most = layout.period - 1
    return [slice(start, min(start + most, classes)) for start in range(0, classes, most)]


def multiply_in_slots(weights: np.ndarray, values: np.ndarray, *, slots: int) -> np.ndarray:
    """weights @ values, computed on plain slots with the very steps that the server takes.

    `weights` (classes, features), `values` (features,); at most `period` - 1 classes.

    >>> multiply_in_slots(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([10.0, 1.0]), slots=128)
    array([12., 34.])
    """
    layout = WeightLayout(ValueLayout(weights.shape[1], slots), classes=weights.shape[0])
    return apply_in_slots(layout, weights, layout.values.arrange(values))[: layout.classes]


def apply_in_slots(layout, weights: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """One layer on plain slots, with the very steps that the server takes: (slots,), float.

    `layout` says how the layer's `weights` lie, `inputs` (ciphertexts, slots) is what comes in.
    """
    moved = np.array([np.roll(inputs[number], -step) for number, step in layout.terms])
    total = np.zeros(inputs.shape[1])
    for group in layout.diagonals(weights)[::-1]:
        within = np.zeros(inputs.shape[1])
        for diagonal in group[::-1]:
            within = np.roll(within, -1) + (diagonal * moved).sum(axis=0)
        total = np.roll(total, -layout.group_step) + within
    for step in layout.fold_steps:
        total = total + np.roll(total, -step)
    return total
