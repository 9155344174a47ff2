"""The exercises of the lesson 07_secret_sharing."""

import numpy as np

from course_lib.exercises.registry import exercise
from course_lib.i18n import N_, _


@exercise(
    "secret_sharing.secret_mean",
    title=N_("A mean of three secrets"),
    hint=N_("Split each count; hospital 0 adds up part 0 of every count, hospital 1 part 1, and so on."),
)
def secret_mean(answer):
    """The answer takes three counts and a source of integers; it returns (three sums that are told, mean)."""
    from course_lib.mpc.sharing import add_up, from_seed

    counts, drawn, draw = [120, 45, 300], [], from_seed(3)

    def watched(shape):
        drawn.append(draw(shape))
        return drawn[-1]

    told, mean = answer(counts, watched)
    told = [np.asarray(one) for one in told]
    if [(one.dtype, one.shape) for one in told] != [(np.dtype(np.uint64), (1,))] * 3:
        return _("Three sums were expected, each an array of uint64 of shape (1,).")
    if any(one[0] in counts or one[0] == sum(counts) for one in told):
        return _(
            "A hospital tells its count or the total: each should tell the sum of the parts that it *got*."
        )
    if len(drawn) < 6:
        return _("Each hospital draws two random parts of its own: split each count separately.")
    if add_up(told)[0] != sum(counts):
        return _("The three sums should add up to the number of all patients modulo 2^64.")
    if not np.isclose(float(mean), 155.0):
        return _("(120 + 45 + 300) / 3 is 155, but your mean is {mean:g}.").format(mean=float(mean))
    return None


@exercise(
    "secret_sharing.maximum",
    title=N_("The larger of two secrets"),
    hint=N_("The larger of a and b is b, plus a - b where that is positive."),
)
def maximum(answer):
    """The answer takes shares a and b and a link; it returns shares of the larger, number by number."""
    from course_lib.mpc.sharing import Link, decode, from_seed, open_shares, share

    a, b, draw = np.array([3.0, -2.0, 0.5, -1.0]), np.array([1.0, 4.0, 0.5, -5.0]), from_seed(4)
    link = Link(from_seed(5))
    result = answer(share(a, draw), share(b, draw), link)
    if not isinstance(result, list) or [np.shape(held) for held in result] != [(4, 2)] * 3:
        return _("Shares were expected: a list of three arrays of shape (4, 2).")
    found = decode(open_shares(result))
    if np.array_equal(found, np.minimum(a, b)):
        return _("That is the smaller one: look at the sign of the difference.")
    if not np.array_equal(found, np.maximum(a, b)):
        return _(
            "The larger of -2 and 4 is 4, but yours is {value:g}; of 3 and 1 it is 3, but yours is {other:g}."
        ).format(value=found[1], other=found[0])
    if link.rounds == 0:
        return _(
            "Nothing travelled, so somebody saw a secret: compare with `relu`, and pass `link` on to it."
        )
    if link.rounds > 11:
        return _("One `relu` is enough, 11 rounds, but yours took {rounds}.").format(rounds=link.rounds)
    return None


@exercise(
    "secret_sharing.max_pooling_cost",
    title=N_("What max pooling costs"),
    hint=N_("Of four numbers, compare two and two at once; then compare the two winners."),
)
def max_pooling_cost(answer):
    """The answer takes a number of windows of 2 x 2; it returns (rounds, bytes that alice sends)."""
    rounds, sent = answer(100)
    again, twice = answer(200)
    if rounds != again:
        return _("All windows are done at the same time: the rounds don't depend on their number.")
    if rounds == 33:
        return _("The first two comparisons of a window don't wait for each other: they share their rounds.")
    if rounds == 11:
        return _("The winners of the first two comparisons must be compared once more, and that waits.")
    if rounds == 20:
        return _("A maximum is a whole ReLU: ten rounds to compare, and one more for the product.")
    if rounds != 22:
        return _("One comparison after the other is 2 times a ReLU's rounds, but yours are {rounds}.").format(
            rounds=rounds
        )
    if sent == 400 * 136:
        return _("Four numbers need three comparisons, not four.")
    if sent == 200 * 136:
        return _("Rounds are shared, bytes are not: count the bytes of all three comparisons.")
    if sent == 300 * 128:
        return _("128 bytes are for the comparison alone; a ReLU has a product, too.")
    if sent == twice:
        return _("The bytes of one window are needed once for each window.")
    if sent != 300 * 136 or twice != 600 * 136:
        return _("For 100 windows alice sends 40,800 bytes, but you counted {sent}.").format(sent=sent)
    return None
