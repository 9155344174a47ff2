"""The exercises on serving: what a wrong answer is told, and that a right one is right."""

import numpy as np
import pytest
from scipy.stats import ks_2samp
from sklearn.metrics import r2_score

from course_lib.exercises import check


@pytest.fixture(autouse=True)
def home_of_nobody(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))


def said(name, answer):
    outcome = check(f"serve_models.{name}", answer)
    return "" if outcome.right else outcome.hint


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (r2_score, ""),
        (lambda y, predicted: ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum(), "without an error"),
        (lambda y, predicted: 1 - ((y - predicted) ** 2).mean(), "Always answering the mean"),
        (lambda y, predicted: 1 - abs(y - predicted).sum() / abs(y - y.mean()).sum(), "Worse than the mean"),
        (lambda y, predicted: max(0.0, r2_score(y, predicted)), "Worse than the mean"),
    ],
)
def test_r_squared(answer, hint):
    assert hint in said("r_squared", answer) if hint else said("r_squared", answer) == ""


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (
            lambda flavor: (
                flavor.get("serialization_format") == "skops" and not flavor.get("skops_trusted_types")
            ),
            "",
        ),
        (lambda flavor: False, "may be loaded"),
        (lambda flavor: flavor.get("serialization_format") != "pickle", "Cloudpickle is a pickle too"),
        (lambda flavor: flavor.get("serialization_format") == "skops", "builtins.eval"),
        (
            lambda flavor: (
                flavor.get("serialization_format", "skops") == "skops"
                and not flavor.get("skops_trusted_types")
            ),
            "assumes a pickle",
        ),
        (lambda flavor: flavor.get("serialization_format"), "True or False was expected"),
        (
            lambda flavor: flavor["serialization_format"] == "skops" and not flavor["skops_trusted_types"],
            "KeyError",
        ),
    ],
)
def test_harmless(answer, hint):
    assert hint in said("harmless", answer) if hint else said("harmless", answer) == ""


def signed_gap(training, newest):
    return max((training <= x).mean() - (newest <= x).mean() for x in np.concatenate([training, newest]))


def gap_of_counts(training, newest):
    places = np.concatenate([training, newest])
    return max(abs((training <= x).sum() - (newest <= x).sum()) for x in places) / len(newest)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda training, newest: ks_2samp(training, newest).statistic, ""),
        (lambda training, newest: abs(training.mean() - newest.mean()), "the widest gap is 0.75"),
        (signed_gap, "lie below the others"),
        (gap_of_counts, "Compare shares"),
        (
            lambda training, newest: max(
                abs((training <= x).sum() - (newest <= x).sum()) for x in np.concatenate([training, newest])
            ),
            "the widest gap is 0.75",
        ),
    ],
)
def test_widest_gap(answer, hint):
    assert hint in said("widest_gap", answer) if hint else said("widest_gap", answer) == ""
