"""Exercises: checks that answer with a hint in the reader's language, and which ones are done.

In a lesson, a learner writes a function and has it looked at::

    def count_digits(labels):
        ...

    check("welcome.count_digits", count_digits)

Promises: `check` never raises because an answer is blank, wrong or broken; it says "not yet" and
gives a hint. What was solved is kept on the learner's own machine (in the folder that the
environment variable ``COURSE_HOME`` names, else in the user's data folder) and goes nowhere else.
Leaves out: marks, deadlines, and protection from someone who looks into the checks.

**To add an exercise**, write a function into ``course_lib/exercises/<topic>.py``, named like its
lesson. It takes the answer and returns None when the answer is right, else a hint::

    from course_lib.exercises.registry import exercise
    from course_lib.i18n import N_, _

    @exercise(
        "encrypted_inference.decode",
        title=N_("Decode a number"),
        hint=N_("Divide by what encoding multiplied with."),
    )
    def decode(answer):
        if answer(4096, scale=1024) != 4:
            return _("4096 at a scale of 1024 stands for 4.")

``title`` names the exercise in `progress`; ``hint`` is shown while the answer is blank (the ``...``
still stands there, or the function returns nothing). What the answer raises is turned into a hint by `check`.
A new topic is added to `TOPICS`, in the order of the lessons. A check must be quick to import: what is heavy
is imported inside the function.
"""

import importlib

from course_lib.exercises.outcome import Outcome, Progress
from course_lib.exercises.record import Record
from course_lib.exercises.registry import Exercise, examine, exercise, exercises_in
from course_lib.i18n import N_, _

__all__ = ["TOPICS", "Outcome", "Progress", "check", "exercise", "progress"]

#: The modules of this package that hold exercises, in the order of the lessons, and the lessons' titles.
TOPICS: dict[str, str] = {
    "welcome": N_("Welcome"),
    "visualize_results": N_("Show what a model does"),
    "serve_models": N_("Serve models"),
    "what_models_leak": N_("What models leak"),
    "pate": N_("Learn from private votes"),
    "encrypted_inference": N_("Predict on encrypted data"),
    "encrypted_network": N_("An encrypted network"),
    "secret_sharing": N_("Share a secret"),
    "private_prediction_train": N_("Train in the open"),
    "private_prediction_serve": N_("Serve it shared"),
    "private_prediction_query": N_("Ask without showing"),
    "remote_data_science": N_("Work where the data lies"),
}


def check(name: str, answer: object) -> Outcome:
    """Look at `answer` to the exercise `name`; record it as done when it is right.

    Returns an `Outcome`, which a notebook shows in the reader's language. Raises ValueError, and
    nothing else, when there is no exercise of this name.

    >>> check("welcome.count_digits", ...).right
    False
    """
    known = _all_exercises()
    if name not in known:
        message = _("One of the exercises {known} was expected, not {name}.")
        raise ValueError(message.format(known=", ".join(known), name=repr(name)))
    outcome = examine(known[name], answer)
    if outcome.right:
        Record().add(name)
    return outcome


def progress() -> Progress:
    """Return which exercises of the course are done, as a table that a notebook shows."""
    return Progress(tuple(_all_exercises().values()), Record().done(), TOPICS)


def _all_exercises() -> dict[str, Exercise]:
    known = {}
    for topic in TOPICS:
        known.update(exercises_in(importlib.import_module(f"course_lib.exercises.{topic}")))
    return known
