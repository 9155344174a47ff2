"""The exercises of the lesson 11_remote_data_science."""

import numpy as np

from course_lib.exercises.registry import exercise
from course_lib.i18n import N_, _


@exercise(
    "remote_data_science.draw_mock",
    title=N_("Make a mock from the dictionary"),
    hint=N_("For each column of the dictionary, `random.choice(values, size=rows)` draws from its values."),
)
def draw_mock(answer):
    """The answer takes a dictionary (name: values), a number of rows, a generator; returns {name: array}."""
    dictionary = {"age": np.arange(18, 100), "sex": np.array(["f", "m"]), "days": np.arange(1, 61)}
    mock = answer(dictionary, 4000, np.random.default_rng(3))
    if mock is None or list(mock) != list(dictionary):
        return _("One array for each of the columns {names} was expected.").format(
            names=", ".join(dictionary)
        )
    for name, values in dictionary.items():
        drawn = np.asarray(mock[name])
        if drawn.shape != (4000,):
            return _("Column {name} should have 4000 values, but its shape is {shape}.").format(
                name=name, shape=drawn.shape
            )
        if not np.isin(drawn, values).all():
            return _("Column {name} holds values that the dictionary does not allow.").format(name=name)
        if not np.isin(values, drawn).all():
            return _("Column {name} should use every value that the dictionary allows.").format(name=name)
    if abs(np.corrcoef(mock["age"], mock["days"])[0, 1]) > 0.1:
        return _("Age and days depend on each other: draw each column by itself.")
    again = answer(dictionary, 4000, np.random.default_rng(4))
    if all(np.array_equal(mock[name], again[name]) for name in dictionary):
        return _("Two seeds gave the same mock: draw from the generator that you are handed.")
    return None


@exercise(
    "remote_data_science.hide",
    title=N_("Hide a patient's number in a mean"),
    hint=N_(
        "Divide the number by 10 to the power of 10: its six digits then stand behind the fourth decimal."
    ),
)
def hide(answer):
    """The answer takes a mean and a number of six digits; it returns a float that carries both."""
    for mean, patient in ((7.4317, 483920), (12.0, 100000), (3.25449, 999999), (8.99561, 555555)):
        carried = answer(mean, patient)
        if not isinstance(carried, int | float) or isinstance(carried, bool):
            return _("One number was expected, but {kind} came back.").format(kind=type(carried).__name__)
        if not abs(carried - mean) < 0.001:
            return _("{carried} should differ from the mean, {mean}, by less than 0.001.").format(
                carried=float(carried), mean=mean
            )
        found = round(float(carried) * 10**10) % 10**6
        if found != patient:
            return _("Decimals 5 to 10 should say {patient}, but they say {found:06}.").format(
                patient=patient, found=found
            )
    return None


@exercise(
    "remote_data_science.spend",
    title=N_("Keep a privacy budget"),
    hint=N_("Add up what is in the list first; raise before you append."),
)
def spend(answer):
    """The answer takes (spent: list of epsilons, epsilon, budget); it appends and returns what is
    left, or raises ValueError."""
    spent: list = []
    left = [answer(spent, epsilon, 1.0) for epsilon in (0.5, 0.25, 0.25)]
    if spent != [0.5, 0.25, 0.25]:
        return _(
            "After spending 0.5, 0.25 and 0.25 the list should hold these three, but it is {spent}."
        ).format(spent=spent)
    if not np.allclose(left, [0.5, 0.25, 0.0]):
        return _("0.5, 0.25 and 0 should be returned as what is left of 1, but {left} was.").format(left=left)
    for epsilon, why in (
        (0.25, _("more than is left")),
        (-1.0, _("a negative amount")),
        (float("nan"), "nan"),
    ):
        try:
            answer(spent, epsilon, 1.0)
        except Exception as error:  # what the answer raised is the cause of what comes up here
            if not isinstance(error.__cause__, ValueError):
                raise
        else:
            return _("{epsilon} ({why}) should raise ValueError, but it was accepted.").format(
                epsilon=epsilon, why=why
            )
        if spent != [0.5, 0.25, 0.25]:
            return _("What is refused should leave no trace in the list, but it is {spent}.").format(
                spent=spent
            )
    return None
