"""Is a secret negative? The expensive part of secret sharing, by hand, in NumPy.

The sign is the highest bit of a sum, and it depends on all bits below, because they carry. So the parties
leave arithmetic for bits: each part of the secret is shared bit by bit, with XOR in place of addition and AND
in place of multiplication, and two adders, made of ANDs, add the three parts. An AND costs a message, and
ANDs that wait for each other cost a round each: ten rounds here, where a product costs one. That is why ReLU
is expensive in a network, and why average pooling, a sum, is not.

Bits are 64 at once in a uint64. Promises and leaves out what `sharing` does; the engine needs fewer bytes.

Source: P. Mohassel, P. Rindal: ABY3, CCS 2018; P. Kogge, H. Stone: A Parallel Algorithm for the Efficient
Solution of a General Class of Recurrence Equations, IEEE Transactions on Computers 1973 (`carries`).
"""

import numpy as np

from course_lib.mpc.sharing import PARTIES, Link, Shares, add, multiply, replicate, scale

_BITS = 64


def is_negative(x: Shares, link: Link) -> Shares:
    """1 where a secret is negative, else 0, as shares of integers; in ten rounds, 128 bytes for each.

    >>> from course_lib.mpc.sharing import from_system, open_shares, share
    >>> link = Link(from_system)
    >>> open_shares(is_negative(share([-2.5, 0.0, 7.0], from_system), link))
    array([1, 0, 0], dtype=uint64)
    >>> link.rounds, link.sent_bytes
    (10, [384, 384, 384])
    """
    sums, moved = three_to_two(*(alone(x, rank) for rank in range(PARTIES)), link)
    total = xor(xor(sums, moved), shift(carries(sums, moved, link), 1))
    return to_integers([mine >> np.uint64(_BITS - 1) for mine in total], link)


def relu(x: Shares, link: Link) -> Shares:
    """A secret where it is positive, else 0: x - x * is_negative(x); eleven rounds.

    >>> from course_lib.mpc.sharing import decode, from_system, open_shares, share
    >>> decode(open_shares(relu(share([-2.5, 7.0], from_system), Link(from_system))))
    array([0., 7.])
    """
    return add(x, scale(multiply(x, is_negative(x, link), link), -1))


def both(x: Shares, y: Shares, link: Link) -> Shares:
    """The bits that are 1 in both of two secrets: `multiply` with XOR as the sum, in one round."""
    sums = [
        (mine[..., 0] & other[..., 0]) ^ (mine[..., 0] & other[..., 1]) ^ (mine[..., 1] & other[..., 0])
        for mine, other in zip(x, y, strict=True)
    ]
    common = [link.draw(sums[0].shape) for _pair in range(PARTIES)]
    masks = [common[rank] ^ common[(rank + 1) % PARTIES] for rank in range(PARTIES)]
    return link.pass_on([part ^ mask for part, mask in zip(sums, masks, strict=True)])


def xor(x: Shares, y: Shares) -> Shares:
    """The bits that differ in two secrets: each party on its own, as `add`."""
    return [mine ^ other for mine, other in zip(x, y, strict=True)]


def shift(x: Shares, places: int) -> Shares:
    """A secret's bits moved up: each party on its own."""
    return [mine << np.uint64(places) for mine in x]


def carries(x: Shares, y: Shares, link: Link) -> Shares:
    """At each place, whether adding x and y makes a carry there, in seven rounds.

    A place makes a carry where both bits are 1, and passes one on where just one is.
    """
    makes, passes = both(x, y, link), xor(x, y)
    distance = 1
    while distance < _BITS:  # each round, carries are known over twice the distance
        from_below = _pair(shift(makes, distance), shift(passes, distance))
        arrived = both(_pair(passes, passes), from_below, link)
        makes = xor(makes, [mine[0] for mine in arrived])
        passes = [mine[1] for mine in arrived]
        distance *= 2
    return makes


def three_to_two(x: Shares, y: Shares, z: Shares, link: Link) -> tuple[Shares, Shares]:
    """Two secrets with the same sum as three, in one round: each place's sum, and its carry one place up."""
    carry = xor(both(xor(x, z), xor(y, z), link), z)
    return xor(xor(x, y), z), shift(carry, 1)


def to_integers(bit: Shares, link: Link) -> Shares:
    """A shared bit as shares of the integer 0 or 1, in two rounds: a XOR b is a + b - 2ab, twice."""
    first, second, third = (alone(bit, rank) for rank in range(PARTIES))
    return _xor_of_integers(_xor_of_integers(first, second, link), third, link)


def alone(x: Shares, rank: int) -> Shares:
    """One part of a secret as a secret of its own: its two holders have it, the other parts are 0."""
    parts = [np.zeros_like(x[0][..., 0]) for _part in range(PARTIES)]
    parts[rank] = x[rank][..., 0]
    return replicate(parts)


def _xor_of_integers(a: Shares, b: Shares, link: Link) -> Shares:
    return add(add(a, b), scale(multiply(a, b, link), -2))


def _pair(x: Shares, y: Shares) -> Shares:
    return [np.stack([mine, other]) for mine, other in zip(x, y, strict=True)]
