"""The checks of the exercises on what models leak tell right answers from likely wrong ones, and say why."""

import numpy as np
import pytest

from course_lib.attacks import likelihood_ratio, roc
from course_lib.exercises import check


def rate(scores, members, fpr):
    return roc.tpr_at_fpr(scores, members, fpr=fpr)


def rate_with_one_more(scores, members, fpr):
    outsiders = np.sort(scores[~members])[::-1]
    return (scores[members] > outsiders[min(int(fpr * len(outsiders)), len(outsiders) - 1)]).mean()


def rate_with_ties(scores, members, fpr):
    outsiders = np.sort(scores[~members])[::-1]
    return (scores[members] >= outsiders[int(fpr * len(outsiders)) - 1]).mean()


def rate_among_all(scores, members, fpr):
    outsiders = np.sort(scores[~members])[::-1]
    return ((scores > outsiders[int(fpr * len(outsiders)) - 1]) & members).mean()


def offline_with_members(answers, confidences, members):
    means = confidences.mean(axis=0)
    return (answers - means) / (confidences - means).std()


def offline_upside_down(answers, confidences, members):
    return -likelihood_ratio.offline(answers, confidences, members)


def offline_without_width(answers, confidences, members):
    return answers - np.nanmean(np.where(members, np.nan, confidences), axis=0)


def step(slope, image, target, epsilon):
    return (image - epsilon * np.sign(slope(image, target))).clip(0, 1)


def step_as_list(slope, image, target, epsilon):
    return list(step(slope, image, target, epsilon))


def step_away(slope, image, target, epsilon):
    return (image + epsilon * np.sign(slope(image, target))).clip(0, 1)


def step_along_the_slope(slope, image, target, epsilon):
    return image - epsilon * slope(image, target)


def step_out_of_range(slope, image, target, epsilon):
    return image - epsilon * np.sign(slope(image, target))


@pytest.mark.parametrize(
    ("name", "answer", "hint"),
    [
        ("tpr_at_fpr", rate, None),
        ("tpr_at_fpr", rate_with_one_more, "a false-positive rate of 0.125, the attack finds 0.125"),
        ("tpr_at_fpr", rate_with_ties, "only the 2 is above the threshold"),
        ("tpr_at_fpr", rate_among_all, "your answer is 0.0625"),
        ("offline", likelihood_ratio.offline, None),
        ("offline", offline_with_members, "depend on models that learnt from the candidate"),
        ("offline", offline_upside_down, "your scores have the other sign"),
        ("offline", offline_without_width, "The width is one for all"),
        ("offline", lambda answers, confidences, members: 0.5, "One score for each of 6 candidates"),
        ("targeted_step", step, None),
        ("targeted_step", step_as_list, None),
        ("targeted_step", step_away, "its loss should fall"),
        ("targeted_step", step_along_the_slope, "only the slope's sign"),
        ("targeted_step", step_out_of_range, "Pixels stay between 0 and 1"),
        ("targeted_step", lambda slope, image, target, e: image, "is [0.5, 0.5, 0.05, 0.5]"),
        ("targeted_step", lambda slope, image, target, e: 0.5, "An image of shape (4,) was expected"),
    ],
)
def test_an_answer_gets_the_hint_that_fits(monkeypatch, tmp_path, name, answer, hint):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    outcome = check(f"what_models_leak.{name}", answer)
    assert outcome.right == (hint is None) and (hint is None or hint in outcome.hint), outcome
