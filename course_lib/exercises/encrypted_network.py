"""The exercises of the lesson 06_encrypted_network."""

import numpy as np

from course_lib.exercises.registry import exercise
from course_lib.i18n import N_, _


class _Hidden:
    """A number that can be multiplied by `multiply` alone; it knows how deep the products in it are."""

    def __init__(self, value, depth=0):
        self._value, self._depth = value, depth


@exercise(
    "encrypted_network.seventh_power",
    title=N_("Raise to the seventh power in three levels"),
    hint=N_("Compute the square first. Which two products of what you have then make the seventh power?"),
)
def seventh_power(answer):
    """The answer takes x and `multiply(a, b)`; it returns x to the power of 7."""
    products = []

    def multiply(a, b):
        products.append((a, b))
        return _Hidden(a._value * b._value, 1 + max(a._depth, b._depth))

    result = answer(_Hidden(3), multiply)
    if not isinstance(result, _Hidden):
        return _("Use `multiply` alone, and return what it returns: a ciphertext shows no number.")
    if result._value != 3**7:
        return _("3 to the power of 7 is 2187, but yours is {value}.").format(value=result._value)
    if result._depth > 3:
        return _(
            "Your products stand {depth} deep, but 3 levels are enough: multiply powers with each other, not"
            " always with x."
        ).format(depth=result._depth)
    if len(products) > 4:
        return _("Four multiplications are enough, but you made {count}: use each power again.").format(
            count=len(products)
        )
    return None


@exercise(
    "encrypted_network.smallest_degree",
    title=N_("Choose the degree for a network"),
    hint=N_(
        "An activation of degree 2 takes one prime, of degree 3 or 4 two, of degree 5 to 8 three. Add up all"
        " bits, then look in the table."
    ),
)
def smallest_degree(answer):
    """The answer takes the degrees of a network's activations; it returns the smallest N with room."""
    for activations, bits, expected in (
        ([2, 2], 214, 8192),
        ([2, 2, 2], 266, 16384),
        ([4, 4], 318, 16384),
        ([3, 2], 266, 16384),
        ([8, 8], 422, 16384),
        ([27, 27], 630, 32768),
        ([5, 2], 318, 16384),
    ):
        came = answer(list(activations))
        if came != expected:
            return _(
                "Activations of degrees {activations} need {bits} bits of primes, and so N = {expected}, but"
                " yours is {came}."
            ).format(activations=activations, bits=bits, expected=expected, came=came)
    return None


@exercise(
    "encrypted_network.view_and_rotation",
    title=N_("Find a pixel in the compact layout"),
    hint=N_(
        "The rest of y and x by the stride says which view; how often the stride goes into them says by how"
        " many rows and columns of the view to move."
    ),
)
def view_and_rotation(answer):
    """The answer takes a place in the kernel, the stride, a view's side; it returns a view and a step."""
    from course_lib.he.image_packing import ImageLayout, NetworkShape

    shape = NetworkShape()
    compact, wide = (ImageLayout(shape, slots=4096, name=name) for name in ("compact", "im2col"))
    image = np.random.default_rng(0).random(shape.features)
    views = {
        layout.name: dict(zip(layout.views, layout.arrange(image).reshape(-1, layout.block), strict=True))
        for layout in (compact, wide)
    }
    for y, x in wide.views:
        view, step = answer(y, x, shape.stride, shape.grid)
        if tuple(view) not in compact.views:
            return _(
                "Row and column of a view are from 0 to {most}, but for y = {y}, x = {x} yours are {view}."
            ).format(most=shape.stride - 1, y=y, x=x, view=tuple(view))
        moved = np.roll(views["compact"][tuple(view)][: compact.cells], -step)
        there, expected = (
            cells.reshape(shape.grid, shape.grid)[: shape.side, : shape.side]
            for cells in (moved, views["im2col"][y, x][: wide.cells])
        )
        if not np.array_equal(there, expected):
            return _(
                "For y = {y}, x = {x} other pixels lie there: yours was view {view}, rotated by {step} slots."
            ).format(y=y, x=x, view=tuple(view), step=step)
    return None
