"""The exercises of the lesson 03_what_models_leak."""

import numpy as np

from course_lib.exercises.registry import exercise
from course_lib.i18n import N_, _


@exercise(
    "what_models_leak.tpr_at_fpr",
    title=N_("Measure an attack where false alarms are rare"),
    hint=N_("Sort the non-members' scores, the highest first: which of them may the threshold not go below?"),
)
def tpr_at_fpr(answer):
    """The answer takes scores (n,), members (bool, n) and a rate; it returns the share of members found."""
    members = np.array([True, False] * 8)
    scores = np.array([9.0, 8, 7, 6, 5, 4, 3, 2, 1, 0, -1, -2, -3, -4, -5, -6])
    for fpr, expected in ((0.125, 0.125), (0.25, 0.25), (0.5, 0.5)):
        rate = answer(scores.copy(), members.copy(), fpr)
        if not np.isclose(rate, expected):
            return _(
                "For the scores 9, 8, 7, …, -6, every second one a non-member's, and a false-positive rate "
                "of {fpr}, the attack finds {expected} of the members, but your answer is {rate}."
            ).format(fpr=fpr, expected=expected, rate=rate)
    rate = answer(np.array([2.0, 1, 1, 1]), np.array([True, True, False, False]), 0.5)
    if not np.isclose(rate, 0.5):
        return _(
            "Members with scores of 2 and 1, non-members with 1 and 1: only the 2 is above the threshold, "
            "so a share of 0.5 is found, but your answer is {rate}."
        ).format(rate=rate)
    return None


@exercise(
    "what_models_leak.offline",
    title=N_("Attack without models that know the candidate"),
    hint=N_("Average over the shadow models that did not learn from a candidate, for each candidate."),
)
def offline(answer):
    """The answer takes answers (n,), confidences (models, n) and members; it returns scores (n,)."""
    from course_lib.attacks import likelihood_ratio

    random = np.random.default_rng(3)
    members = np.array([random.permutation(8) < 4 for _candidate in range(6)]).T
    confidences = random.normal(size=(8, 6)) + 3 * members + np.arange(6)
    answers = random.normal(size=6) + np.arange(6)
    scores = np.asarray(answer(answers.copy(), confidences.copy(), members.copy()))
    if scores.shape != (6,):
        return _("One score for each of 6 candidates was expected, but the shape is {shape}.").format(
            shape=scores.shape
        )
    expected = likelihood_ratio.offline(answers, confidences, members)
    if np.allclose(scores, expected):
        return None
    seen = confidences.copy()
    seen[members] += 100
    if not np.allclose(scores, answer(answers.copy(), seen, members.copy())):
        return _("Your scores depend on models that learnt from the candidate; offline there are none.")
    if np.allclose(np.argsort(scores), np.argsort(-expected)):
        return _("The higher the answer, the surer is membership: your scores have the other sign.")
    return _(
        "The first candidate lies {expected} widths above the mean of its models, but your score is {score}. "
        "The width is one for all: the standard deviation of all distances from the candidates' means."
    ).format(expected=round(float(expected[0]), 2), score=round(float(scores[0]), 2))
