"""The exercises on remote data science: what a wrong answer is told, and that a right one is right."""

import numpy as np
import pytest

from course_lib.exercises import check


@pytest.fixture(autouse=True)
def home_of_nobody(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))


def independent(dictionary, rows, random):
    return {name: random.choice(values, size=rows) for name, values in dictionary.items()}


def seeded_by_itself(dictionary, rows, random):
    return independent(dictionary, rows, np.random.default_rng(0))


def sorted_columns(dictionary, rows, random):
    return {name: np.sort(values) for name, values in independent(dictionary, rows, random).items()}


def without_a_column(dictionary, rows, random):
    return dict(list(independent(dictionary, rows, random).items())[:-1])


def too_few(dictionary, rows, random):
    return independent(dictionary, rows - 1, random)


def the_first_value(dictionary, rows, random):
    return {name: np.repeat(values[:1], rows) for name, values in dictionary.items()}


def strangers(dictionary, rows, random):
    return independent(dictionary, rows, random) | {"age": np.full(rows, 17)}


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (independent, ""),
        (seeded_by_itself, "Two seeds gave the same mock"),
        (sorted_columns, "depend on each other"),
        (without_a_column, "One array for each of the columns age, sex, days"),
        (too_few, "should have 4000 values"),
        (the_first_value, "should use every value"),
        (strangers, "values that the dictionary does not allow"),
    ],
)
def test_draw_mock(answer, hint):
    outcome = check("remote_data_science.draw_mock", answer)
    assert outcome.right == (not hint) and hint in (outcome.hint or "")


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda mean, patient: int(mean * 10**4) / 10**4 + patient / 10**10, ""),
        (lambda mean, patient: mean + patient / 10**10, "Decimals 5 to 10 should say"),
        (lambda mean, patient: mean + patient, "by less than 0.001"),
        (lambda mean, patient: float("nan"), "by less than 0.001"),
        (lambda mean, patient: str(mean), "One number was expected, but str came back."),
        (lambda mean, patient: round(mean, 4), "Decimals 5 to 10 should say"),
    ],
)
def test_hide(answer, hint):
    outcome = check("remote_data_science.hide", answer)
    assert outcome.right == (not hint) and hint in (outcome.hint or "")


def keeper(*, check_sum=True, check_sign=True, append_first=False, returns=True):
    def spend(spent, epsilon, budget):
        if append_first:
            spent.append(epsilon)
        if check_sum and sum(spent) + (not append_first) * epsilon > budget:
            raise ValueError("too much")
        if check_sign and not epsilon > 0:
            raise ValueError("not positive")
        if not append_first:
            spent.append(epsilon)
        return budget - sum(spent) if returns else -1

    return spend


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (keeper(), ""),
        (keeper(check_sum=False), "0.25 (more than is left) should raise ValueError"),
        (keeper(check_sign=False), "-1.0 (a negative amount) should raise ValueError"),
        (keeper(append_first=True), "should leave no trace"),
        (keeper(returns=False), "as what is left of 1"),
        (lambda spent, epsilon, budget: budget, "the list should hold these three"),
    ],
)
def test_spend(answer, hint):
    outcome = check("remote_data_science.spend", answer)
    assert outcome.right == (not hint) and hint in (outcome.hint or "")
