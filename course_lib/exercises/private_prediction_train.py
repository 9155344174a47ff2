"""The exercises of the lesson 08_private_prediction_train."""

import numpy as np

from course_lib.exercises.registry import exercise
from course_lib.i18n import N_, _


@exercise(
    "private_prediction_train.side_after",
    title=N_("Follow the size of an image through a block"),
    hint=N_("A kernel of 3 x 3 fits in 2 places of a row of four pixels, not in 1."),
)
def side_after(answer):
    """The answer takes the sides of an image, a kernel and a pooling window; it returns an integer."""
    for side, kernel, pool in ((28, 3, 2), (4, 3, 2), (13, 3, 2), (32, 5, 3), (9, 1, 1)):
        given, expected = answer(side, kernel, pool), (side - kernel + 1) // pool
        if given == expected:
            continue
        if given == (side - kernel) // pool:
            return _("How many places are there for a kernel? One more than you think: count for 4 and 3.")
        if given == (side - kernel + 1) / pool:
            return _(
                "{side} pixels, kernel {kernel}, pooling {pool}: a window that does not fit is left out, so"
                " the number is whole, {expected}, not {given}."
            ).format(side=side, kernel=kernel, pool=pool, expected=expected, given=given)
        return _(
            "{side} pixels, kernel {kernel}, pooling {pool}: {expected} numbers are left in a row, but your"
            " function returns {given}."
        ).format(side=side, kernel=kernel, pool=pool, expected=expected, given=given)
    return None


@exercise(
    "private_prediction_train.count_comparisons",
    title=N_("Count the comparisons of a block"),
    hint=N_("Each number that goes into ReLU is one comparison. Pooling over 2 x 2 halves the side."),
)
def count_comparisons(answer):
    """The answer takes the side after a convolution and the number of kernels; it returns two counts."""
    for side, filters in ((26, 10), (11, 32), (3, 64)):
        expected = ((side // 2) ** 2 * filters, side**2 * filters)
        given = answer(side, filters)
        try:
            after, before = given
        except TypeError:
            return _("Two numbers were expected: return after, before.")
        if (after, before) == expected:
            continue
        if (before, after) == expected:
            return _("Right, but in the other order: first with ReLU after the pooling.")
        if (after, before) == (expected[0] / filters, expected[1] / filters):
            return _("Each of the {filters} kernels makes numbers of its own.").format(filters=filters)
        if before == expected[1] and after == before / 4:
            return _(
                "If the side is odd, pooling leaves out a row and a column: round {side} / 2 down."
            ).format(side=side)
        return _(
            "For a side of {side} and {filters} kernels it is {expected}, but your function returns {given}."
        ).format(side=side, filters=filters, expected=expected, given=(after, before))
    return None


@exercise(
    "private_prediction_train.round_to",
    title=N_("Round to fixed-point numbers"),
    hint=N_("Multiply by $2^{bits}$, round to whole numbers, and divide again."),
)
def round_to(answer):
    """The answer takes an array of numbers and a number of bits; it returns them rounded."""
    numbers = np.array([[0.3, -0.3, 1.0], [2.7, -5.26, 100.06]])
    for bits in (1, 4, 18):
        given = np.asarray(answer(numbers, bits))
        if given.shape != numbers.shape:
            return _("An array of shape {expected} was expected, but the shape is {shape}.").format(
                expected=numbers.shape, shape=given.shape
            )
        steps = numbers * 2.0**bits
        if np.array_equal(given, np.round(steps)):
            return _("These are whole numbers of units: divide by $2^{bits}$ again.")
        if not np.array_equal(given, np.round(steps) / 2.0**bits):
            if np.array_equal(given, np.floor(steps) / 2.0**bits) or np.array_equal(
                given, np.trunc(steps) / 2.0**bits
            ):
                return _("The nearest multiple was asked for: round, don't cut off.")
            if np.array_equal(given, np.round(numbers, bits)):
                return _("These are decimal digits: `bits` bits make steps of $2^{-bits}$.")
            return _("With {bits} bits, 0.3 becomes {expected}, but your function returns {given}.").format(
                bits=bits, expected=np.round(steps[0, 0]) / 2.0**bits, given=given[0, 0]
            )
    return None


@exercise(
    "private_prediction_train.without_division",
    title=N_("Take the division out of average pooling"),
    hint=N_("Which layers get numbers that have been pooled? Kernels stand at the even places of the list."),
)
def without_division(answer):
    """The answer takes eight arrays, kernel and bias in turn; it returns eight."""
    random = np.random.default_rng(8)
    shapes = ((3, 3, 1, 2), (2,), (3, 3, 2, 3), (3,), (3, 3, 3, 4), (4,), (4, 10), (10,))
    weights = [random.normal(size=shape) for shape in shapes]
    given = answer([array.copy() for array in weights])
    if len(given) != len(weights) or any(
        np.shape(ours) != shape for ours, shape in zip(given, shapes, strict=False)
    ):
        return _("Eight arrays of the same shapes were expected, kernel and bias in turn.")
    if any(not np.allclose(given[place], weights[place]) for place in (1, 3, 5, 7)):
        return _("A bias is added after the kernel has made up for the pooling: it stays as it is.")
    if not np.allclose(given[0], weights[0]):
        return _("The first convolution gets the image, which nobody has pooled: its kernel stays as it is.")
    if np.allclose(given[6], weights[6]):
        return _("The linear layer at the end gets pooled numbers, too.")
    for place in (2, 4, 6):
        if np.allclose(given[place], weights[place] * 4):
            return _("What comes in is four times too large: divide, don't multiply.")
        if not np.allclose(given[place], weights[place] / 4):
            return _(
                "Array {place} of the list, a kernel, should be divided by 4: each layer makes up for the one"
                " pooling before it."
            ).format(place=place)
    return None
