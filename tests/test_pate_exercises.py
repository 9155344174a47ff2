"""The checks of the exercises on PATE tell a right answer from the likely wrong ones, and say why."""

import math

import numpy as np
import pytest

from course_lib.exercises import check
from course_lib.pate.accounting.gaussian import gaussian_epsilon, gnmax_mu


def coin(honest):
    return math.log((1 + honest) / (1 - honest))


def gnmax(votes, sigma, random):
    return (votes + random.normal(scale=sigma, size=votes.shape)).argmax()


def interactive(votes, believed, threshold, sigma_threshold, sigma, confidence, random):
    surplus = votes - votes.sum() * believed
    if surplus.max() + random.normal(scale=sigma_threshold) >= threshold:
        return gnmax(votes, sigma, random)
    return believed.argmax() if believed.max() > confidence else -1


def without_noise_at_the_look(votes, believed, threshold, sigma_threshold, sigma, confidence, random):
    return interactive(votes, believed, threshold, 1e-9, sigma, confidence, random)


def without_noise_on_the_votes(votes, believed, threshold, sigma_threshold, sigma, confidence, random):
    return interactive(votes, believed, threshold, sigma_threshold, 1e-9, confidence, random)


def that_always_trusts_the_student(votes, believed, threshold, sigma_threshold, sigma, confidence, random):
    return interactive(votes, believed, threshold, sigma_threshold, sigma, 0, random)


def that_looks_at_the_votes_alone(votes, believed, threshold, sigma_threshold, sigma, confidence, random):
    agreed = votes.max() + random.normal(scale=sigma_threshold) >= threshold
    return gnmax(votes, sigma, random) if agreed else believed.argmax()


def of_patient(hospitals, answers, sigma):
    return gaussian_epsilon(hospitals * math.sqrt(2 * answers) / sigma, delta=1e-5)


def of_hospitals_as_answers(hospitals, answers, sigma):
    return gaussian_epsilon(gnmax_mu(hospitals * answers, sigma=sigma), delta=1e-5)


@pytest.mark.parametrize(
    ("name", "answer", "hint"),
    [
        ("epsilon_of_coin", coin, None),
        ("epsilon_of_coin", lambda honest: np.float64(coin(honest)), None),
        (
            "epsilon_of_coin",
            lambda honest: math.log(3),
            "With `honest` = 0.8, the larger probability is 9 times",
        ),
        ("epsilon_of_coin", lambda honest: coin(honest) / math.log(2), "ε is 1.0986"),
        ("epsilon_of_coin", lambda honest: math.exp(coin(honest)), "ε is 1.0986"),
        ("epsilon_of_coin", lambda honest: "three", "your function returns three"),
        ("interactive_gnmax", interactive, None),
        ("interactive_gnmax", without_noise_at_the_look, "The look at the threshold needs noise"),
        ("interactive_gnmax", without_noise_on_the_votes, "The teachers' answer is GNMax, with noise"),
        (
            "interactive_gnmax",
            that_always_trusts_the_student,
            "-1 was expected (the teachers don't know much",
        ),
        ("interactive_gnmax", that_looks_at_the_votes_alone, "confidence 0.6, -1 was expected"),
        ("epsilon_of_patient", of_patient, None),
        ("epsilon_of_patient", of_hospitals_as_answers, "For 3 hospitals, 50 answers"),
        (
            "epsilon_of_patient",
            lambda hospitals, answers, sigma: hospitals * of_patient(1, answers, sigma),
            "For 3 hosp",
        ),
    ],
)
def test_an_answer_gets_the_hint_that_fits(monkeypatch, tmp_path, name, answer, hint):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    outcome = check(f"pate.{name}", answer)
    assert outcome.right == (hint is None) and (hint is None or hint in outcome.hint), outcome
