"""The exercises of the lesson 02_serve_models."""

import numpy as np

from course_lib.exercises.registry import exercise
from course_lib.i18n import N_, _


@exercise(
    "serve_models.r_squared",
    title=N_("Say how much of the variance a model explains"),
    hint=N_("Divide the sum of the model's squared errors by that of the mean's, and take it from 1."),
)
def r_squared(answer):
    """The answer takes the true values and the predicted ones, arrays of equal length; it returns R²."""
    quality = np.array([5.0, 6.0, 7.0, 6.0])
    cases = (
        (quality, 1.0, N_("Predictions without an error have an R² of 1, but you returned {value:.3f}.")),
        (np.full(4, 6.0), 0.0, N_("Always answering the mean has an R² of 0, but you returned {value:.3f}.")),
        (
            np.array([5.0, 6.0, 6.0, 6.0]),
            0.5,
            N_("For 5, 6, 7, 6 and the predictions 5, 6, 6, 6, R² is 0.5, but you returned {value:.3f}."),
        ),
        (
            np.array([7.0, 6.0, 5.0, 6.0]),
            -3.0,
            N_("Worse than the mean is below 0: here -3 was expected, but you returned {value:.3f}."),
        ),
    )
    for predicted, expected, hint in cases:
        value = float(answer(quality, predicted))
        if abs(value - expected) > 1e-9:
            return _(hint).format(value=value)
    return None


@exercise(
    "serve_models.harmless",
    title=N_("Decide whether a model may be loaded"),
    hint=N_("Two entries decide: `serialization_format` and `skops_trusted_types`."),
)
def harmless(answer):
    """The answer takes the entry of the sklearn flavor in an MLmodel file; it returns True or False."""
    cases = (
        (
            {"serialization_format": "skops", "skops_trusted_types": None},
            True,
            N_("A model in the skops format that asks to trust nothing may be loaded."),
        ),
        (
            {"serialization_format": "pickle", "skops_trusted_types": None},
            False,
            N_("A pickle may never be loaded."),
        ),
        (
            {"serialization_format": "cloudpickle", "skops_trusted_types": None},
            False,
            N_("Cloudpickle is a pickle too. Say what is allowed, not what is forbidden."),
        ),
        (
            {"serialization_format": "skops", "skops_trusted_types": ["builtins.eval"]},
            False,
            N_("This model asks to trust `builtins.eval`: whoever made the file wrote that list."),
        ),
        ({}, False, N_("Where no format stands, MLflow assumes a pickle: the answer is False.")),
    )
    for entry, expected, hint in cases:
        value = answer(dict(entry))
        if not isinstance(value, bool):
            return _("True or False was expected, not {value}.").format(value=repr(value)[:60])
        if value is not expected:
            return _(hint)
    return None


@exercise(
    "serve_models.widest_gap",
    title=N_("Measure how far traffic has drifted"),
    hint=N_("For each value x: which share of the training values is at or below it, and which of the new?"),
)
def widest_gap(answer):
    """The answer takes two arrays of values; it returns the Kolmogorov-Smirnov distance between them."""
    training = np.array([3.1, 3.2, 3.2, 3.3])
    cases = (
        (training, 0.0, N_("Two equal sets of values are 0 apart, but you returned {value:.3f}.")),
        (
            np.array([3.3, 3.3, 3.4, 3.4]),
            0.75,
            N_(
                "For 3.1, 3.2, 3.2, 3.3 and 3.3, 3.3, 3.4, 3.4 the widest gap is 0.75, at 3.2, "
                "but you returned {value:.3f}."
            ),
        ),
        (
            np.array([1.0, 2.0]),
            1.0,
            N_("Values that all lie below the others are 1 apart, but you returned {value:.3f}."),
        ),
        (
            np.array([3.1, 3.1, 3.3]),
            5 / 12,
            N_("Compare shares, not numbers of values: here 0.417 was expected, not {value:.3f}."),
        ),
    )
    for newest, expected, hint in cases:
        value = float(answer(training, newest))
        if abs(value - expected) > 1e-9:
            return _(hint).format(value=value)
    return None
