"""Secret sharing among three parties by hand, in NumPy: what the engine does, in the open.

All three parties sit in one process here, so nothing is secret: this is for reading and trying out. Every
step uses what one party holds, and what must travel goes through a `Link`, which counts rounds and bytes.
Shares are the engine's own, and the tests open one's with the other. `comparison` goes on from here.

Promises, about what each step would tell a party: nothing, against one party that is curious and follows the
protocol. Leaves out speed, other protocols, and parties that cheat.

Source: T. Araki, J. Furukawa, Y. Lindell, A. Nof, K. Ohara: High-Throughput Semi-Honest Secure Three-Party
Computation with an Honest Majority, CCS 2016 (multiplication, shared zeros); P. Mohassel, P. Rindal: ABY3,
CCS 2018 (truncation: Share Truncation I, the cheapest; the engine has a dearer one that does not fail).
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from course_lib.i18n import _

#: As in the engine: a number v is the integer v * 2^18.
FRACTION_BITS = 18
PARTIES = 3

#: Draws uniform uint64 of a shape: `from_system`, or what `from_seed` returns.
Draw = Callable[[tuple[int, ...]], np.ndarray]
#: What three parties hold: an array of uint64 for each, the parts r and r + 1 along its last axis.
Shares = list[np.ndarray]


def from_system(shape: tuple[int, ...]) -> np.ndarray:
    """Random integers from the system's cryptographic source: for whatever must stay secret."""
    return np.frombuffer(os.urandom(8 * int(np.prod(shape))), dtype=np.uint64).reshape(shape).copy()


def from_seed(seed: int) -> Draw:
    """A source of integers that are the same each time: for printed examples, and for nothing else.

    >>> from_seed(7)((2,))
    array([11530976094092348043, 16550673365885938325], dtype=uint64)
    """
    random = np.random.default_rng(seed)
    return lambda shape: random.integers(2**64, size=shape, dtype=np.uint64)


def split(secret: np.ndarray, draw: Draw, parties: int = PARTIES) -> list[np.ndarray]:
    """Additive shares: random integers that add up to the secret modulo 2^64; all but one tell nothing.

    `secret` is an array of uint64 with one axis at least; each part has its shape.

    >>> parts = split(np.array([42], dtype=np.uint64), from_system)
    >>> add_up(parts)
    array([42], dtype=uint64)
    """
    parts = [draw(secret.shape) for _other in range(parties - 1)]
    return [*parts, secret - add_up(parts)]


def add_up(parts: list[np.ndarray]) -> np.ndarray:
    """The secret: the parts' sum modulo 2^64."""
    return np.sum(parts, axis=0, dtype=np.uint64)


def encode(values, bits: int = FRACTION_BITS) -> np.ndarray:
    """Numbers as integers modulo 2^64: v * 2^bits, rounded; negative ones in the upper half. At least 1-d.

    Raises ValueError for NaN, and for numbers that don't fit.

    >>> encode([0.5, -1.0], bits=2)
    array([                   2, 18446744073709551612], dtype=uint64)
    """
    values = np.atleast_1d(np.asarray(values, dtype=np.float64))
    most = 2.0 ** (62 - bits)
    if not (np.abs(values) <= most).all():
        raise ValueError(_("Numbers within ±{most:.6g} were expected, but others came.").format(most=most))
    return np.rint(values * 2.0**bits).astype(np.int64).astype(np.uint64)


def decode(integers: np.ndarray, bits: int = FRACTION_BITS) -> np.ndarray:
    """The numbers back from their integers.

    >>> decode(encode([3.25, -2.0]))
    array([ 3.25, -2.  ])
    """
    return integers.astype(np.int64) / 2.0**bits


def replicate(parts: list[np.ndarray]) -> Shares:
    """Replicated shares: of three parts, party r gets parts r and r + 1, along a new last axis.

    >>> [share.tolist() for share in replicate([np.uint64([1]), np.uint64([2]), np.uint64([3])])]
    [[[1, 2]], [[2, 3]], [[3, 1]]]
    """
    return [np.stack([parts[rank], parts[(rank + 1) % PARTIES]], axis=-1) for rank in range(PARTIES)]


def share(values, draw: Draw, bits: int = FRACTION_BITS) -> Shares:
    """Replicated shares of numbers: encoded, split, replicated.

    >>> decode(open_shares(share([3.25, -2.0], from_system)))
    array([ 3.25, -2.  ])
    """
    return replicate(split(encode(values, bits), draw))


def open_shares(shares: Shares) -> np.ndarray:
    """The integers that the shares stand for: the sum of the parts that each party holds first."""
    return add_up([held[..., 0] for held in shares])


def add(x: Shares, y: Shares) -> Shares:
    """The sum of two secrets: each party adds what it holds; nothing travels."""
    return [mine + other for mine, other in zip(x, y, strict=True)]


def scale(x: Shares, factor: int) -> Shares:
    """A secret times a public integer: each party multiplies what it holds; nothing travels.

    >>> decode(open_shares(scale(share([1.5], from_system), -2)))
    array([-3.])
    """
    return [mine * np.uint64(factor % 2**64) for mine in x]


def add_public(x: Shares, integers: np.ndarray) -> Shares:
    """A secret plus public integers: added to part 0, which the first and the last party hold."""
    first, second, third = (mine.copy() for mine in x)
    first[..., 0] += integers
    third[..., 1] += integers
    return [first, second, third]


@dataclass
class Link:
    """What joins the three parties: messages go through here, and are counted in rounds and bytes.

    Messages that do not wait for each other are one round. `draw` stands for the randomness that two parties
    have in common: they agree on a seed of a cryptographic generator once, and nothing travels after that.
    """

    draw: Draw
    rounds: int = 0
    sent_bytes: list[int] = field(default_factory=lambda: [0] * PARTIES)

    def send(self, sender: int, receiver: int, message: np.ndarray) -> None:
        """Count a message; a subclass may look at it."""
        self.sent_bytes[sender] += message.nbytes

    def pass_on(self, parts: list[np.ndarray]) -> Shares:
        """Each party sends its part to the one before it, in one round: replicated shares again."""
        for rank, part in enumerate(parts):
            self.send(rank, (rank - 1) % PARTIES, part)
        self.rounds += 1
        return replicate(parts)


def zeros(shape: tuple[int, ...], draw: Draw) -> list[np.ndarray]:
    """Parts of zero, one for each party, of which no party knows all: each two have one integer in common.

    >>> add_up(zeros((2,), from_system))
    array([0, 0], dtype=uint64)
    """
    common = [draw(shape) for _pair in range(PARTIES)]
    return [common[rank] - common[(rank + 1) % PARTIES] for rank in range(PARTIES)]


def multiply(x: Shares, y: Shares, link: Link, times: Callable = np.multiply) -> Shares:
    """The product of two secrets, in one round; `times` is np.multiply or np.matmul.

    Of the nine products of x's and y's parts, each party can make three. Their sum is hidden behind its
    part of a shared zero, and passed on. Numbers come out with twice the fraction bits: see `truncate`.

    >>> link = Link(from_system)
    >>> product = multiply(share([3.0], from_system), share([-0.5], from_system), link)
    >>> decode(open_shares(product), bits=2 * FRACTION_BITS), link.rounds, link.sent_bytes
    (array([-1.5]), 1, [8, 8, 8])
    """
    sums = [
        times(mine[..., 0], other[..., 0])
        + times(mine[..., 0], other[..., 1])
        + times(mine[..., 1], other[..., 0])
        for mine, other in zip(x, y, strict=True)
    ]
    masks = zeros(sums[0].shape, link.draw)
    return link.pass_on([part + mask for part, mask in zip(sums, masks, strict=True)])


def divide(integers: np.ndarray, bits: int) -> np.ndarray:
    """Division by 2^bits of integers whose upper half is negative, rounded down.

    >>> divide(encode([-3.0], bits=0), bits=1).astype(np.int64)
    array([-2])
    """
    return (integers.astype(np.int64) >> np.int64(bits)).astype(np.uint64)


def truncate(x: Shares, link: Link, bits: int = FRACTION_BITS) -> Shares:
    """The secret divided by 2^bits, in one round: rounded up or down by chance, and right on average.

    The first party adds its two parts. Now there are two parts, each is divided on its own, and each division
    rounds. Where the two parts' sum wraps around, the division goes wrong, and the answer is off by
    2^(64 - bits) units: the chance is |x| / 2^64, where x is the secret's integer before the division.
    """
    both = x[0][..., 0] + x[0][..., 1]  # the first party knows these two parts,
    last = x[1][..., 1]  # the second and the third know this one
    fresh = link.draw(both.shape)  # from the seed that the first and the second have in common
    rest = divide(both, bits) - fresh
    link.send(0, 2, rest)
    link.rounds += 1
    return replicate([rest, fresh, -divide(-last, bits)])


def multiply_numbers(x: Shares, y: Shares, link: Link, times: Callable = np.multiply) -> Shares:
    """The product of two secret numbers with the same fraction bits as before, in two rounds."""
    return truncate(multiply(x, y, link, times), link)
