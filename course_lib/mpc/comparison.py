"""Is a secret negative? The expensive part of secret sharing, by hand, in NumPy.

The sign is the highest bit of a sum, and which bits carry depends on all bits below. So the parties leave
arithmetic for bits: each part of the secret is shared bit by bit, with XOR in place of addition and AND in
place of multiplication, and two adders, made of ANDs, add the three parts. An AND costs a message, and ANDs
that wait for each other cost a round each: ten here, where a product costs one. That is why ReLU is
expensive in a network, and why average pooling, sums alone, is not.

Source: P. Mohassel, P. Rindal: ABY3, CCS 2018; P. Kogge, H. Stone: A Parallel Algorithm for the Efficient
Solution of a General Class of Recurrence Equations, IEEE Transactions on Computers 1973 (the second adder).
"""

import numpy as np

from course_lib.mpc.sharing import PARTIES, Shares, Table, add, replicate, scale

_BITS = 64


class BitTable(Table):
    """A table at which the three also compute with bits: 64 of them at once in an integer."""

    def is_negative(self, x: Shares) -> Shares:
        """1 where a secret is negative, else 0, as shares of integers.

        >>> from course_lib.mpc.sharing import from_system, open_shares, share
        >>> table = BitTable(from_system)
        >>> open_shares(table.is_negative(share([-2.5, 0.0, 7.0], from_system)))
        array([1, 0, 0], dtype=uint64)
        >>> table.rounds, table.sent_bytes
        (10, [384, 384, 384])
        """
        sign = self._highest_bit_of_sum([self._alone(x, rank) for rank in range(PARTIES)])
        return self._bits_to_integers(sign)

    def relu(self, x: Shares) -> Shares:
        """A secret where it is positive, else 0: x - x * is_negative(x).

        >>> from course_lib.mpc.sharing import decode, from_system, open_shares, share
        >>> decode(open_shares(BitTable(from_system).relu(share([-2.5, 7.0], from_system))))
        array([0., 7.])
        """
        return add(x, scale(self.multiply(x, self.is_negative(x)), -1))

    def both(self, x: Shares, y: Shares) -> Shares:
        """The bits that are 1 in both of two secrets: multiplication with XOR as the sum, in one round."""
        sums = [
            (mine[..., 0] & other[..., 0]) ^ (mine[..., 0] & other[..., 1]) ^ (mine[..., 1] & other[..., 0])
            for mine, other in zip(x, y, strict=True)
        ]
        common = [self.draw(sums[0].shape) for _pair in range(PARTIES)]
        return self._pass_on(
            [part ^ common[rank] ^ common[(rank + 1) % PARTIES] for rank, part in enumerate(sums)]
        )

    def _highest_bit_of_sum(self, terms: list[Shares]) -> Shares:
        """The highest bit of three secrets' sum, as shares of bits: 0 or 1."""
        x, y = self._three_to_two(*terms)
        # A position makes a carry where both bits are 1, and passes one on where just one is.
        makes, passes, sums = self.both(x, y), _xor(x, y), _xor(x, y)
        distance = 1
        while distance < _BITS:  # each round, carries are known over twice the distance
            makes_there, passes_there = _shift(makes, distance), _shift(passes, distance)
            pair = self.both(_pair(passes, passes), _pair(makes_there, passes_there))
            makes = _xor(makes, [mine[0] for mine in pair])
            passes = [mine[1] for mine in pair]
            distance *= 2
        highest = _xor(sums, _shift(makes, 1))
        return [mine >> np.uint64(_BITS - 1) for mine in highest]

    def _three_to_two(self, x: Shares, y: Shares, z: Shares) -> tuple[Shares, Shares]:
        """Two secrets with the same sum as three: the sum bit by bit, and the carries one place up."""
        carries = _xor(self.both(_xor(x, z), _xor(y, z)), z)
        return _xor(_xor(x, y), z), _shift(carries, 1)

    def _bits_to_integers(self, bit: Shares) -> Shares:
        """A shared bit as shares of the integer 0 or 1: a XOR b is a + b - 2ab, twice."""
        first, second, third = (self._alone(bit, rank) for rank in range(PARTIES))
        return self._xor_of_integers(self._xor_of_integers(first, second), third)

    def _xor_of_integers(self, a: Shares, b: Shares) -> Shares:
        return add(add(a, b), scale(self.multiply(a, b), -2))

    def _alone(self, x: Shares, rank: int) -> Shares:
        """One part of a secret as a secret of its own: its two holders have it, the other parts are 0."""
        parts = [np.zeros_like(x[0][..., 0]) for _part in range(PARTIES)]
        parts[rank] = x[rank][..., 0]
        return replicate(parts)


def _xor(x: Shares, y: Shares) -> Shares:
    return [mine ^ other for mine, other in zip(x, y, strict=True)]


def _shift(x: Shares, places: int) -> Shares:
    return [mine << np.uint64(places) for mine in x]


def _pair(x: Shares, y: Shares) -> Shares:
    return [np.stack([mine, other]) for mine, other in zip(x, y, strict=True)]
