"""Secret sharing by hand: right, random where it must be, and the same as the engine's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

import mpc_parts
from course_lib.mpc import engine, sharing
from course_lib.mpc.comparison import BitTable
from course_lib.mpc.sharing import (
    FRACTION_BITS,
    Table,
    decode,
    encode,
    from_seed,
    from_system,
    open_shares,
    share,
)

UNIT = 2.0**-FRACTION_BITS
numbers = st.lists(st.floats(-1000, 1000), min_size=1, max_size=20)


def uniform(integers: np.ndarray) -> bool:
    """Whether the bytes of so many integers look equally frequent; wrong once in a million for such."""
    counts = np.bincount(np.frombuffer(integers.tobytes(), np.uint8), minlength=256)
    return chisquare(counts).pvalue > 1e-6


@given(numbers)
def test_fixed_point_numbers_come_back(values):
    assert np.abs(decode(encode(values)) - values).max() <= UNIT / 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2.0**45])
def test_a_number_that_does_not_fit_is_refused(value):
    with pytest.raises(ValueError, match="Numbers within"):
        encode([0.5, value])


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


@given(numbers, st.integers(-50, 50))
def test_sums_cost_nothing(values, factor):
    secret = share(values, from_system)
    total = sharing.add_public(sharing.scale(sharing.add(secret, secret), factor), encode(0.5))
    assert np.allclose(decode(open_shares(total)), 2 * factor * np.array(values) + 0.5, atol=101 * UNIT)


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=1, max_size=20))
def test_products(pairs):
    a, b = np.array(pairs).T
    table = Table(from_system)
    product = table.multiply_numbers(share(a, from_system), share(b, from_system))
    assert np.allclose(decode(open_shares(product)), a * b, atol=52 * UNIT)
    assert table.rounds == 2
    assert table.sent_bytes == [16 * len(a), 8 * len(a), 8 * len(a)]


def test_matrix_products():
    random = np.random.default_rng(0)
    a, b = random.normal(size=(3, 5)), random.normal(size=(5, 4))
    shares = Table(from_system).multiply_numbers(share(a, from_system), share(b, from_system), np.matmul)
    assert np.allclose(decode(open_shares(shares)), a @ b, atol=20 * UNIT)


def test_what_travels_in_a_product_is_uniform_although_the_factors_are_not():
    zeros = share(np.zeros(20_000), lambda shape: np.zeros(shape, np.uint64))
    product = Table(from_seed(0)).multiply(zeros, zeros)
    assert not uniform(zeros[0]) and (open_shares(product) == 0).all()
    assert [uniform(held[..., 1]) for held in product] == [True] * 3  # what each party was sent


def test_truncation_is_off_by_one_unit_at_most():
    values = np.random.default_rng(0).uniform(-1000, 1000, size=10_000)
    wide = share(values, from_system, bits=2 * FRACTION_BITS)
    error = decode(open_shares(Table(from_system).truncate(wide))) - values
    assert 0 < np.abs(error).max() <= 1.5 * UNIT  # half a unit is the rounding before


def test_truncation_is_far_off_as_often_as_promised():
    secret = np.full(40_000, 1 << 60, dtype=np.uint64)
    shares = sharing.replicate(sharing.split(secret, from_seed(0)))
    result = open_shares(Table(from_seed(1)).truncate(shares)).astype(np.int64)
    far_off = np.abs(result - (1 << (60 - FRACTION_BITS))) > 1
    assert far_off.mean() == pytest.approx(2**60 / 2**64, rel=0.1)


EXTREMES = [0, 1, -1, 2**62, -(2**62), 2**63 - 1, -(2**63)]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20))
def test_comparison(integers):
    secret = np.array([*integers, *EXTREMES], dtype=np.int64)
    table = BitTable(from_system)
    shares = sharing.replicate(sharing.split(secret.astype(np.uint64), from_system))
    assert (open_shares(table.is_negative(shares)) == (secret < 0)).all()
    assert table.rounds == 10


def test_what_travels_in_a_comparison_is_uniform():
    sent = []

    class Tapped(BitTable):
        def _pass_on(self, parts):
            sent.append(np.array(parts))
            return super()._pass_on(parts)

    Tapped(from_seed(0)).is_negative(share(np.zeros(3000), from_seed(1)))
    assert len(sent) == 10
    assert all(uniform(part) for parts in sent for part in parts)


@given(numbers)
def test_relu(values):
    result = decode(open_shares(BitTable(from_system).relu(share(values, from_system))))
    assert np.allclose(result, np.maximum(values, 0), atol=UNIT)


# Beside the engine


def test_the_engine_opens_shares_made_by_hand_and_the_other_way_round():
    values = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    assert np.abs(engine.reconstruct(share(values, from_system)) - values).max() <= UNIT
    shares = engine.make_shares(values)
    assert np.abs(decode(open_shares(shares)) - values).max() <= UNIT
    for rank in range(3):  # and each part is where it should be
        assert (shares[rank][..., 1] == shares[(rank + 1) % 3][..., 0]).all()


def test_the_engine_computes_what_we_compute_by_hand():
    random = np.random.default_rng(0)
    a, b = (random.normal(scale=5, size=(64,)).astype(np.float32) for _factor in range(2))

    def function(a, b):
        import jax.numpy as jnp

        return jnp.maximum(a * b, 0)

    theirs = engine.run_in_threads(mpc_parts.program(function, a.shape, b.shape), [a, b], a.shape)
    table = BitTable(from_system)
    product = table.multiply_numbers(share(a, from_system), share(b, from_system))
    ours = decode(open_shares(table.relu(product)))
    assert np.abs(ours - theirs).max() <= 16 * UNIT
    assert np.abs(ours - np.maximum(a * b, 0)).max() <= 16 * UNIT


def test_the_engines_shares_are_uniform_and_never_the_same():
    zeros = np.zeros(20_000, np.float32)
    first, second = engine.make_shares(zeros), engine.make_shares(zeros)
    assert all(uniform(held[..., part]) for held in first for part in (0, 1))
    assert not (first[0] == second[0]).any()


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), 2.0**21])
def test_the_engine_is_not_given_what_it_would_spoil(value):
    with pytest.raises(ValueError, match="were expected, but"):
        engine.make_shares(np.array([0.5, value], np.float32))
