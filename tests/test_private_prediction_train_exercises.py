"""The checks of the exercises on training tell a right answer from the likely wrong ones, and say why."""

import numpy as np
import pytest

from course_lib.exercises import check


def side(side, kernel, pool):
    return (side - kernel + 1) // pool


def comparisons(side, filters):
    return (side // 2) ** 2 * filters, side**2 * filters


def rounded(numbers, bits):
    return np.round(np.asarray(numbers) * 2.0**bits) / 2.0**bits


def divided(weights, *, kernels=(2, 4, 6), biases=(), by=4):
    return [array / by if place in (*kernels, *biases) else array for place, array in enumerate(weights)]


@pytest.mark.parametrize(
    ("name", "answer", "hint"),
    [
        ("side_after", side, None),
        ("side_after", lambda side, kernel, pool: (side - kernel) // pool, "One more than you think"),
        ("side_after", lambda side, kernel, pool: (side - kernel + 1) / pool, "so the number is whole, 5"),
        ("side_after", lambda side, kernel, pool: side // pool, "13 numbers are left in a row"),
        ("side_after", lambda side, kernel, pool: None, "A kernel of 3 x 3 fits in 2 places"),
        ("count_comparisons", comparisons, None),
        ("count_comparisons", lambda side, filters: list(comparisons(side, filters)), None),
        ("count_comparisons", lambda side, filters: side**2 * filters, "Two numbers were expected"),
        ("count_comparisons", lambda side, filters: comparisons(side, filters)[::-1], "in the other order"),
        ("count_comparisons", lambda side, filters: comparisons(side, 1), "10 kernels makes numbers of its"),
        (
            "count_comparisons",
            lambda side, filters: (side**2 * filters / 4, side**2 * filters),
            "round 11 / 2 down",
        ),
        ("count_comparisons", lambda side, filters: (side, filters), "it is (1690, 6760), but your"),
        ("round_to", rounded, None),
        ("round_to", lambda numbers, bits: np.round(numbers * 2**bits), "divide by $2^{bits}$ again"),
        ("round_to", lambda numbers, bits: np.floor(numbers * 2**bits) / 2**bits, "don't cut off"),
        ("round_to", lambda numbers, bits: np.trunc(numbers * 2**bits) / 2**bits, "don't cut off"),
        ("round_to", lambda numbers, bits: np.round(numbers, bits), "These are decimal digits"),
        ("round_to", lambda numbers, bits: numbers, "With 1 bits, 0.3 becomes 0.5, but your"),
        ("round_to", lambda numbers, bits: rounded(numbers, bits).ravel(), "shape (2, 3) was expected"),
        ("without_division", divided, None),
        ("without_division", lambda weights: weights[::2], "Eight arrays of the same shapes"),
        ("without_division", lambda weights: divided(weights, biases=(3, 5, 7)), "it stays as it is"),
        (
            "without_division",
            lambda weights: divided(weights, kernels=(0, 2, 4, 6)),
            "The first convolution gets",
        ),
        ("without_division", lambda weights: divided(weights, kernels=(2, 4)), "at the end gets pooled"),
        ("without_division", lambda weights: divided(weights, by=1 / 4), "divide, don't multiply"),
        ("without_division", lambda weights: divided(weights, by=2), "Array 2 of the list"),
    ],
)
def test_an_answer_gets_the_hint_that_fits(monkeypatch, tmp_path, name, answer, hint):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    outcome = check(f"private_prediction_train.{name}", answer)
    assert outcome.right == (hint is None) and (hint is None or hint in outcome.hint), outcome
