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


@exercise(
    "what_models_leak.targeted_step",
    title=N_("Take one step towards the answer of your choice"),
    hint=N_("The loss for the target should fall: against which direction of each pixel's slope do you go?"),
)
def targeted_step(answer):
    """The answer takes a slope function, an image, a target and epsilon; it returns the changed image."""
    weights = np.array([[2.0, -1.0, 0.5, 0.0], [-2.0, 1.0, -0.5, 0.0]])
    image = np.array([0.5, 0.5, 0.05, 0.5])
    found = np.asarray(answer(lambda image, label: weights[label], image.copy(), 1, 0.1), dtype=float)
    if found.shape != image.shape:
        return _("An image of shape {expected} was expected, but the shape is {shape}.").format(
            expected=image.shape, shape=found.shape
        )
    if np.allclose(found, [0.4, 0.6, 0.0, 0.5]) or np.allclose(found, [0.4, 0.6, -0.05, 0.5]):
        return _("That is a step away from the target: its loss should fall, not rise.")
    if np.allclose(found, [0.6, 0.4, 0.15, 0.5]):
        return _hint_about_range(answer, weights)
    if np.allclose(found, image - 0.1 * weights[1]):
        return _("Every pixel whose slope is not 0 should move by `epsilon`: only the slope's sign counts.")
    return _(
        "For slopes of -2, 1, -0.5 and 0, the pixels 0.5, 0.5, 0.05 and 0.5, and `epsilon` = 0.1, the image"
        " [0.6, 0.4, 0.15, 0.5] was expected, but your answer is {found}."
    ).format(found=np.round(found, 3).tolist())


def _hint_about_range(answer, weights) -> str | None:
    """Whether pixels stay between 0 and 1."""
    edges = np.array([0.95, 0.05, 0.5, 0.0])
    found = np.asarray(answer(lambda image, label: weights[label], edges.copy(), 1, 0.1), dtype=float)
    if np.allclose(found, [1.0, 0.0, 0.6, 0.0]):
        return None
    return _("Pixels stay between 0 and 1: 0.95 plus 0.1 is 1, and 0.05 less 0.1 is 0.")
