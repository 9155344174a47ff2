"""The exercises on secret sharing: what a wrong answer is told, and that a right one is right."""

import numpy as np
import pytest

from course_lib.exercises import check
from course_lib.mpc.comparison import relu
from course_lib.mpc.sharing import add, add_up, decode, from_system, open_shares, scale, share, split


@pytest.fixture(autouse=True)
def home_of_nobody(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))


def said(name, answer):
    outcome = check(f"secret_sharing.{name}", answer)
    return "" if outcome.right else outcome.hint


def split_all(counts, draw):
    return [split(np.array([count], dtype=np.uint64), draw) for count in counts]


def honest(counts, draw):
    parts = split_all(counts, draw)
    told = [add_up([own[hospital] for own in parts]) for hospital in range(3)]
    return told, int(add_up(told)[0]) / 3


def sums_of_its_own(counts, draw):
    told = [add_up(own) for own in split_all(counts, draw)]
    return told, int(add_up(told)[0]) / 3


def one_split_of_the_total(counts, draw):
    told = split(np.array([sum(counts)], dtype=np.uint64), draw)
    return told, sum(counts) / 3


def one_part_forgotten(counts, draw):
    parts = split_all(counts, draw)
    return [add_up([own[hospital] for own in parts[:2]]) for hospital in range(3)], 155.0


def total_for_mean(counts, draw):
    told, mean = honest(counts, draw)
    return told, mean * 3


def as_numbers(counts, draw):
    told, mean = honest(counts, draw)
    return [float(one[0]) for one in told], mean


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (honest, ""),
        (sums_of_its_own, "tells its count or the total"),
        (one_split_of_the_total, "split each count separately"),
        (one_part_forgotten, "should add up to the number of all patients"),
        (total_for_mean, "is 155, but your mean is 465"),
        (as_numbers, "each an array of uint64 of shape (1,)"),
    ],
)
def test_secret_mean(answer, hint):
    assert hint in said("secret_mean", answer) and bool(hint) == bool(said("secret_mean", answer))


def larger(a, b, link):
    return add(b, relu(add(a, scale(b, -1)), link))


def smaller(a, b, link):
    return add(a, scale(relu(add(a, scale(b, -1)), link), -1))


def opened(a, b, link):
    return share(np.maximum(decode(open_shares(a)), decode(open_shares(b))), from_system)


def both_ways(a, b, link):
    difference = add(a, scale(b, -1))
    there, back = relu(difference, link), relu(scale(difference, -1), link)
    return add(add(a, scale(there, 0)), back)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (larger, ""),
        (smaller, "That is the smaller one"),
        (opened, "Nothing travelled"),
        (both_ways, "11 rounds, but yours took 22"),
        (lambda a, b, link: a, "The larger of -2 and 4 is 4, but yours is -2; of 3 and 1 it is 3"),
        (lambda a, b, link: decode(open_shares(a)), "three arrays of shape (4, 2)"),
    ],
)
def test_maximum(answer, hint):
    assert hint in said("maximum", answer) and bool(hint) == bool(said("maximum", answer))


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda windows: (22, 408 * windows), ""),
        (lambda windows: (22 * windows, 408 * windows), "don't depend on their number"),
        (lambda windows: (33, 408 * windows), "they share their rounds"),
        (lambda windows: (11, 408 * windows), "compared once more"),
        (lambda windows: (20, 384 * windows), "one more for the product"),
        (lambda windows: (3, 408 * windows), "but yours are 3"),
        (lambda windows: (22, 4 * 136 * windows), "three comparisons, not four"),
        (lambda windows: (22, 2 * 136 * windows), "Rounds are shared, bytes are not"),
        (lambda windows: (22, 3 * 128 * windows), "128 bytes are for the comparison alone"),
        (lambda windows: (22, 408), "once for each window"),
        (lambda windows: (22, windows), "40,800 bytes, but you counted 100"),
    ],
)
def test_max_pooling_cost(answer, hint):
    assert hint in said("max_pooling_cost", answer) and bool(hint) == bool(said("max_pooling_cost", answer))


def test_max_pooling_costs_what_the_exercise_says():
    """Counted on real shares: four numbers of each of 100 windows, two and two, then the winners."""
    from course_lib.mpc.sharing import Link

    values = np.random.default_rng(0).normal(size=(2, 2, 100))
    link, shares = Link(from_system), share(values, from_system)
    winners = larger([held[0] for held in shares], [held[1] for held in shares], link)
    largest = larger([held[0] for held in winners], [held[1] for held in winners], link)
    assert np.allclose(decode(open_shares(largest)), values.max(axis=(0, 1)), atol=1e-5)
    assert (link.rounds, link.sent_bytes[0]) == (22, 40_800)
