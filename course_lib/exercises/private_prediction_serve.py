"""The exercises of the lesson 09_private_prediction_serve."""

import numpy as np

from course_lib.exercises.registry import exercise
from course_lib.i18n import N_, _


@exercise(
    "private_prediction_serve.bytes_for_a_party",
    title=N_("Predict what a party stores"),
    hint=N_("Count the numbers in all arrays. For each of them a party holds two parts, of 64 bits each."),
)
def bytes_for_a_party(answer):
    """The answer takes a list of shapes; it returns the bytes of one party's shares of such arrays."""
    shapes = [(3, 3, 1, 10), (10,), (2, 5)]
    right, found = 16 * (90 + 10 + 10), answer(shapes)
    if found == right:
        return None
    if found == right // 2:
        return _("Almost: a party holds two of the three parts of each number, not one.")
    if found == right * 3 // 2 or found == right * 3:
        return _("That is what all three hold together; the question is what one of them holds.")
    if found == right // 4:
        return _(
            "These are the bytes of the weights as float32. A part of a share has 64 bits, and there are two."
        )
    if found in (16 * (90 + 10), 16 * 10):
        return _("Count all arrays of the list.")
    return _("For the shapes {shapes} {right} bytes were expected, but {found} came.").format(
        shapes=shapes, right=right, found=found
    )


@exercise(
    "private_prediction_serve.which_is_a_share",
    title=N_("Tell a share from an encoded array"),
    hint=N_("`looks_uniform` looks at the bytes of an array of integers. A share is uniform; what else is?"),
)
def which_is_a_share(answer):
    """The answer takes a list of two arrays of uint64; it returns the index of the one that is a share."""
    from course_lib.mpc.sharing import encode, from_system

    random = np.random.default_rng(4)
    others = [
        encode(random.normal(size=(784, 2))),
        encode(np.abs(random.normal(scale=0.05, size=(784, 2)))),
        encode(-random.random((784, 2))),
    ]
    for other in others:
        for place in (0, 1):
            pair = [other, other]
            pair[place] = from_system((784, 2))
            found = answer(pair)
            if isinstance(found, bool | np.bool_) or found not in (0, 1):
                return _("The index 0 or 1 was expected, but {found} came.").format(found=repr(found))
            if found != place:
                return _(
                    "Not each time: weights that were only encoded, between {least:.1f} and {most:.1f}, were"
                    " taken for the share."
                ).format(least=_smallest(other), most=_largest(other))
    return None


@exercise(
    "private_prediction_serve.recombine",
    title=N_("Open a secret with two parties' shares"),
    hint=N_(
        "Party `r` holds the parts `r` and `r + 1`, and after part 2 comes part 0. Which part is missing?"
    ),
)
def recombine(answer):
    """The answer takes three shares and two ranks; it returns the secret from these two parties' shares."""
    from course_lib.mpc.sharing import replicate

    parts = [np.array([numbers], dtype=np.uint64) for numbers in ([1, 20], [300, 4000], [50000, 600000])]
    shares, secret = replicate(parts), sum(parts)
    for ranks in ((0, 1), (1, 2), (0, 2), (1, 0), (2, 1), (2, 0)):
        rest = 3 - sum(ranks)
        given = [None if rank == rest else share.copy() for rank, share in enumerate(shares)]
        found = np.asarray(answer(given, *ranks))
        if found.shape != secret.shape:
            return _("An array of shape {expected} was expected, but the shape is {shape}.").format(
                expected=secret.shape, shape=found.shape
            )
        if np.array_equal(found, secret):
            continue
        both = given[ranks[0]].sum(axis=-1) + given[ranks[1]].sum(axis=-1)
        if np.array_equal(found, both):
            return _("Together the two hold four numbers, but one part is among them twice: count it once.")
        return _(
            "For the parties {ranks} the parts 1, 300 and 50000 should add up to 50301, not {found}."
        ).format(ranks=ranks, found=int(found.flat[0]))
    return None


def _smallest(integers: np.ndarray) -> float:
    return integers.astype(np.int64).min() / 2**18


def _largest(integers: np.ndarray) -> float:
    return integers.astype(np.int64).max() / 2**18
