"""The exercises of the lesson 00_welcome."""

import numpy as np

from course_lib.exercises.registry import exercise
from course_lib.i18n import N_, _


@exercise(
    "welcome.count_digits",
    title=N_("Count how often each digit occurs"),
    hint=N_("`numpy.bincount` counts how often each small integer occurs."),
)
def count_digits(answer):
    """The answer takes labels, uint8 of shape (count,), and returns the ten digits' counts."""
    counts = np.asarray(answer(np.array([3, 1, 3, 9, 3], dtype=np.uint8)))
    if counts.shape != (10,):
        return _(
            "Ten counts were expected, one for each digit from 0 to 9, but the shape is {shape}."
        ).format(shape=counts.shape)
    if counts.tolist() != [0, 1, 0, 3, 0, 0, 0, 0, 0, 1]:
        return _("In the labels 3, 1, 3, 9, 3 the digit 3 occurs three times, 1 and 9 once.")
    if np.asarray(answer(np.array([0], dtype=np.uint8))).shape != (10,):
        return _("A digit that never occurs has a count too: 0. `minlength` helps.")
    return None
