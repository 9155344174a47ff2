"""Secret sharing by hand: right, random where it must be, and the same as the engine's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from course_lib.mpc import comparison, sharing
from course_lib.mpc.sharing import (
    FRACTION_BITS,
    Link,
    decode,
    encode,
    from_seed,
    from_system,
    open_shares,
    share,
    truncate,
)

UNIT = 2.0**-FRACTION_BITS
untimed = settings(deadline=None)  # a busy machine is no fault of the code
numbers = st.lists(st.floats(-1000, 1000), min_size=1, max_size=20)


class Tapped(Link):
    """A link that keeps each message: of whom it came, to whom it went, and what it said."""

    def __init__(self, draw):
        super().__init__(draw)
        self.messages = []

    def send(self, sender, receiver, message):
        super().send(sender, receiver, message)
        self.messages.append((sender, receiver, message))


@pytest.fixture
def engine():
    """The engine, where it has a build for this machine."""
    pytest.importorskip("spu", reason="the engine of the three parties has no build for this machine")
    from course_lib.mpc import engine

    return engine


def uniform(integers: np.ndarray) -> bool:
    """Whether the bytes of so many integers look equally frequent; wrong once in a million for such."""
    counts = np.bincount(np.frombuffer(integers.tobytes(), np.uint8), minlength=256)
    return chisquare(counts).pvalue > 1e-6


@untimed
@given(numbers)
def test_fixed_point_numbers_come_back(values):
    assert np.abs(decode(encode(values)) - values).max() <= UNIT / 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2.0**45])
def test_a_number_that_does_not_fit_is_refused(value):
    with pytest.raises(ValueError, match="Numbers within"):
        encode([0.5, value])


@untimed
@given(numbers)
def test_shares_add_up(values):
    shares = share(values, from_system)
    assert (open_shares(shares) == encode(values)).all()


@pytest.mark.parametrize("rank", range(3))
def test_what_one_party_holds_is_uniform_whatever_the_secret(rank):
    shares = share(np.zeros(20_000), from_seed(rank))
    assert uniform(shares[rank][..., 0]) and uniform(shares[rank][..., 1])
    assert not uniform(encode(np.zeros(20_000)))


def test_two_parties_together_see_the_secret():
    alice, bob, _carol = share([3.25, -1.0], from_system)
    assert decode(alice[..., 0] + alice[..., 1] + bob[..., 1]).tolist() == [3.25, -1.0]


def test_the_systems_randomness_is_never_the_same_and_the_seeds_always():
    assert (from_system((4,)) != from_system((4,))).all()
    assert (from_seed(1)((4,)) == from_seed(1)((4,))).all()
    assert (from_seed(1)((4,)) != from_seed(2)((4,))).all()


@untimed
@given(numbers, st.integers(-50, 50))
def test_sums_cost_nothing(values, factor):
    secret = share(values, from_system)
    total = sharing.add_public(sharing.scale(sharing.add(secret, secret), factor), encode(0.5))
    assert np.allclose(decode(open_shares(total)), 2 * factor * np.array(values) + 0.5, atol=101 * UNIT)


@untimed
@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=1, max_size=20))
def test_products(pairs):
    a, b = np.array(pairs).T
    draw = from_seed(0)  # with others, a truncation would fail now and then, as it must
    link = Link(draw)
    product = sharing.multiply_numbers(share(a, draw), share(b, draw), link)
    assert np.allclose(decode(open_shares(product)), a * b, atol=52 * UNIT)
    assert link.rounds == 2
    assert link.sent_bytes == [16 * len(a), 8 * len(a), 8 * len(a)]


def test_matrix_products():
    random = np.random.default_rng(0)
    a, b = random.normal(size=(3, 5)), random.normal(size=(5, 4))
    link = Link(from_system)
    shares = sharing.multiply_numbers(share(a, from_system), share(b, from_system), link, np.matmul)
    assert np.allclose(decode(open_shares(shares)), a @ b, atol=20 * UNIT)
    assert link.sent_bytes == [16 * 12, 8 * 12, 8 * 12]  # for what comes out, not for what goes in


def test_what_travels_in_a_product_is_uniform_although_the_factors_are_not():
    nothing = share(np.zeros(20_000), lambda shape: np.zeros(shape, np.uint64))
    link = Tapped(from_seed(0))
    product = sharing.multiply_numbers(nothing, nothing, link)
    assert not uniform(nothing[0]) and np.abs(open_shares(product).astype(np.int64)).max() <= 1
    assert [message[:2] for message in link.messages] == [(0, 2), (1, 0), (2, 1), (0, 2)]
    assert all(uniform(message) for _sender, _receiver, message in link.messages)


def test_a_party_gets_nothing_that_hangs_together_with_what_it_has():
    """What a party is sent, less each of what it holds, is uniform too, and so is each difference."""
    x = share(np.zeros(20_000), from_seed(1))
    link = Tapped(from_seed(2))
    comparison.is_negative(sharing.multiply_numbers(x, x, link), link)
    for rank in range(3):
        known = [x[rank][..., 0], x[rank][..., 1]]
        for _sender, _receiver, message in (each for each in link.messages if each[1] == rank):
            for row in message.reshape(-1, 20_000):
                assert all(uniform(row - other) and uniform(row ^ other) for other in known)
                known.append(row)


def test_zeros_add_up_to_zero_and_no_party_knows_all_of_them():
    drawn, source = [], from_seed(0)

    def draw(shape):
        drawn.append(source(shape))
        return drawn[-1]

    parts = sharing.zeros((1000,), draw)
    assert (sharing.add_up(parts) == 0).all() and len(drawn) == 3
    assert all(uniform(part - each) for part in parts for each in drawn if not (part == each).all())


def test_both_copies_of_each_part_agree():
    x = share([1.5, -2.0], from_system)
    link = Link(from_system)
    for shares in (x, sharing.add_public(x, encode(1.0)), sharing.scale(x, -3), truncate(x, link),
                   sharing.multiply(x, x, link), comparison.relu(x, link)):  # fmt: skip
        assert all((shares[rank][..., 1] == shares[(rank + 1) % 3][..., 0]).all() for rank in range(3))


def test_truncation_rounds_up_or_down_and_is_right_on_average():
    """In units: always one of the two whole numbers next to it, and the error's mean is near 0."""
    integers = np.random.default_rng(0).integers(-(2**40), 2**40, size=100_000)
    shares = sharing.replicate(sharing.split(integers.astype(np.uint64), from_seed(0)))
    found = open_shares(truncate(shares, Link(from_seed(1)))).astype(np.int64)
    down = integers >> FRACTION_BITS
    assert ((found == down) | (found == down + 1)).all()
    error = found - integers / 2**FRACTION_BITS
    assert abs(error.mean()) < 0.01 and 0.35 < error.std() < 0.45  # of a tent from -1 to 1: 0.41


def test_truncation_is_far_off_as_often_as_promised_and_by_as_much():
    secret = np.full(40_000, 1 << 60, dtype=np.uint64)
    shares = sharing.replicate(sharing.split(secret, from_seed(0)))
    result = open_shares(truncate(shares, Link(from_seed(1)))).astype(np.int64)
    error = result - (1 << (60 - FRACTION_BITS))
    far_off = np.abs(error) > 1
    assert far_off.mean() == pytest.approx(2**60 / 2**64, rel=0.1)
    assert np.abs(np.abs(error[far_off]) - (1 << (64 - FRACTION_BITS))).max() <= 1


EXTREMES = [0, 1, -1, 2**62, -(2**62), 2**63 - 1, -(2**63)]


@untimed
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20))
def test_comparison(integers):
    secret = np.array([*integers, *EXTREMES], dtype=np.int64)
    link = Link(from_system)
    shares = sharing.replicate(sharing.split(secret.astype(np.uint64), from_system))
    assert (open_shares(comparison.is_negative(shares, link)) == (secret < 0)).all()
    assert link.rounds == 10 and link.sent_bytes == [128 * len(secret)] * 3


def test_what_travels_in_a_comparison_is_uniform():
    link = Tapped(from_seed(0))
    comparison.is_negative(share(np.zeros(3000), from_seed(1)), link)
    assert len(link.messages) == 3 * 10
    assert all(uniform(message) for _sender, _receiver, message in link.messages)


@untimed
@given(numbers)
def test_relu(values):
    link = Link(from_system)
    result = decode(open_shares(comparison.relu(share(values, from_system), link)))
    assert (result == np.maximum(decode(encode(values)), 0)).all()
    assert link.rounds == 11 and link.sent_bytes == [136 * len(values)] * 3


# Beside the engine


def test_the_engine_opens_shares_made_by_hand_and_the_other_way_round(engine):
    values = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    assert np.abs(engine.reconstruct(share(values, from_system)) - values).max() <= UNIT
    shares = engine.make_shares(values)
    assert np.abs(decode(open_shares(shares)) - values).max() <= UNIT
    for rank in range(3):  # and each part is where it should be
        assert (shares[rank][..., 1] == shares[(rank + 1) % 3][..., 0]).all()


def test_the_engine_computes_what_we_compute_by_hand(engine):
    import mpc_parts

    random = np.random.default_rng(0)
    a, b = (random.normal(scale=5, size=(64,)).astype(np.float32) for _factor in range(2))

    def function(a, b):
        import jax.numpy as jnp

        return jnp.maximum(a * b, 0)

    theirs = engine.run_in_threads(mpc_parts.program(function, a.shape, b.shape), [a, b], a.shape)
    link = Link(from_system)
    product = sharing.multiply_numbers(share(a, from_system), share(b, from_system), link)
    ours = decode(open_shares(comparison.relu(product, link)))
    assert np.abs(ours - theirs).max() <= 16 * UNIT
    assert np.abs(ours - np.maximum(a * b, 0)).max() <= 16 * UNIT


def test_the_engines_shares_are_uniform_and_never_the_same(engine):
    zeros = np.zeros(20_000, np.float32)
    first, second = engine.make_shares(zeros), engine.make_shares(zeros)
    assert all(uniform(held[..., part]) for held in first for part in (0, 1))
    assert not (first[0] == second[0]).any()


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), 2.0**21])
def test_the_engine_is_not_given_what_it_would_spoil(engine, value):
    with pytest.raises(ValueError, match="were expected, but"):
        engine.make_shares(np.array([0.5, value], np.float32))
