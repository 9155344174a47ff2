"""The exercises of the lesson 04_pate."""

import math
from numbers import Real

from course_lib.exercises.registry import exercise
from course_lib.i18n import N_, _


@exercise(
    "pate.epsilon_of_coin",
    title=N_("Compute the ε of a bent coin"),
    hint=N_(
        "A yes comes from an honest answer or from the second toss."
        " How likely is it in each of the two worlds?"
    ),
)
def epsilon_of_coin(answer):
    """The answer takes the probability of telling the truth, and returns ε."""
    for honest, factor in ((0.5, 3.0), (0.8, 9.0), (0.0, 1.0)):
        found = answer(honest)
        if not _is_near(found, math.log(factor), 1e-6):
            return _(
                "With `honest` = {honest}, the larger probability is {factor:g} times the smaller one, so ε"
                " is {expected:.4f}; your function returns {found}."
            ).format(honest=honest, factor=factor, expected=math.log(factor), found=found)
    return None


@exercise(
    "pate.interactive_gnmax",
    title=N_("Write Interactive-GNMax"),
    hint=N_(
        "How many votes has each class more than `votes.sum() * believed`? Add noise to the largest surplus,"
        " and compare it with the threshold."
    ),
)
def interactive_gnmax(answer):
    """The answer takes votes, beliefs and Interactive-GNMax's numbers; it returns a class, or -1 for none."""
    import numpy as np

    teachers, nothing = np.array([90, 6, 4]), 1e-9  # hardly any noise
    cases = (
        ([0.1, 0.8, 0.1], 0.5, 0, _("the teachers know better, so they answer")),
        ([0.9, 0.05, 0.05], 0.5, 0, _("the student is right and sure, and is told to trust itself")),
        ([0.5, 0.4, 0.1], 0.6, -1, _("the teachers don't know much better and the student is not sure")),
        ([0.35, 0.6, 0.05], 0.5, 0, _("the surplus of 55 reaches the threshold of 50")),
    )
    for believed, confidence, expected, why in cases:
        found = answer(
            teachers, np.array(believed), 50, nothing, nothing, confidence, np.random.default_rng(1)
        )
        if found != expected:
            return _wrong_class(believed, confidence, expected, found, why)
    return _hint_about_noise(answer, teachers)


def _wrong_class(believed, confidence, expected, found, why) -> str:
    return _(
        "For the votes [90, 6, 4], beliefs {believed}, threshold 50 and confidence {confidence}, {expected}"
        " was expected ({why}), but your function returns {found}."
    ).format(believed=believed, confidence=confidence, expected=expected, why=why, found=found)


def _hint_about_noise(answer, teachers) -> str | None:
    """Whether both kinds of noise are there, told by how often each answer comes."""
    import numpy as np

    random, believed = np.random.default_rng(2), np.array([0.4, 0.6, 0.0])
    looks = [answer(teachers, believed, 65, 30, 1e-9, 0.5, random) for _repeat in range(400)]
    if not 0.2 < looks.count(0) / 400 < 0.42:  # half a sigma above the surplus, 50: 31% of the looks pass
        return _("The look at the threshold needs noise with standard deviation `sigma_threshold`, once.")
    answers = [answer(teachers, np.zeros(3), 0, 1e-9, 60, 0.5, random) for _repeat in range(400)]
    if not 0.6 < answers.count(0) / 400 < 0.85:  # 84 votes ahead, with noise of 60 on each count
        return _("The teachers' answer is GNMax, with noise of standard deviation `sigma` on each count.")
    return None


@exercise(
    "pate.epsilon_of_patient",
    title=N_("Compute the ε that protects a patient of several hospitals"),
    hint=N_("One vote for each hospital moves to another class: how far do the two counts move together?"),
)
def epsilon_of_patient(answer):
    """The answer takes hospitals, answers and sigma, and returns the exact ε at δ = 1e-5."""
    from course_lib.pate.accounting.gaussian import gaussian_epsilon, gnmax_mu

    for hospitals, answers, sigma in ((1, 50, 40), (3, 50, 40), (2, 10, 100)):
        expected = gaussian_epsilon(hospitals * gnmax_mu(answers, sigma=sigma), delta=1e-5)
        found = answer(hospitals, answers, sigma)
        if not _is_near(found, expected, 1e-3):
            return _(
                "For {hospitals} hospitals, {answers} answers and `sigma` = {sigma}, ε is {expected:.2f};"
                " your function returns {found}."
            ).format(hospitals=hospitals, answers=answers, sigma=sigma, expected=expected, found=found)
    return None


def _is_near(found: object, expected: float, tolerance: float) -> bool:
    return isinstance(found, Real) and math.isclose(found, expected, abs_tol=tolerance, rel_tol=1e-3)
