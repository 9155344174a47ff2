"""The exercises of the lesson 05_encrypted_inference."""

import numpy as np

from course_lib.exercises.registry import exercise
from course_lib.i18n import N_, _


@exercise(
    "encrypted_inference.weighted_sum",
    title=N_("Compute a weighted sum of ciphertexts"),
    hint=N_(
        "A ciphertext is an array: multiply each one by its weight, add them, and take the rest by `MODULUS`."
    ),
)
def weighted_sum(answer):
    """The answer takes toy ciphertexts (count, n + 1) and integer weights (count,); it returns one."""
    from course_lib.he.by_hand import MODULUS, SCALE, toy_decrypt, toy_encrypt

    random, secret = np.random.default_rng(1), np.array([1, 0, -1, 1])
    ciphertexts = np.array([toy_encrypt(value, secret, random) for value in (1.5, -2.0, 0.25)])
    total = np.asarray(answer(ciphertexts, np.array([2, 1, -4])))
    if total.shape != (5,):
        return _("One ciphertext of shape (5,) was expected, but the shape is {shape}.").format(
            shape=total.shape
        )
    if not np.array_equal(total, total % MODULUS):
        return _("Each entry should be a remainder by `MODULUS`, from 0 to `MODULUS - 1`.")
    decrypted = toy_decrypt(total, secret, SCALE)
    if abs(decrypted - 0.0) > 0.02:
        return _(
            "2 · 1.5 + 1 · (-2) + (-4) · 0.25 is 0, but your ciphertext decrypts to {value:.3f}."
        ).format(value=decrypted)
    return None


@exercise(
    "encrypted_inference.fold",
    title=N_("Sum all slots with few rotations"),
    hint=N_("After adding a copy rotated by one, each slot holds a sum of two; then rotate by two."),
)
def fold(answer):
    """The answer takes slots and `rotate(slots, step)`; it returns their sum in each slot."""
    steps = []

    def rotate(slots, step):
        steps.append(step)
        return np.roll(slots, -step)

    slots = np.arange(16.0)
    total = np.asarray(answer(slots, rotate))
    if total.shape != slots.shape:
        return _("An array of shape {expected} was expected, but the shape is {shape}.").format(
            expected=slots.shape, shape=total.shape
        )
    if not np.allclose(total, slots.sum()):
        return _("Every slot should hold 120, the sum of 0 to 15, but slot 0 holds {value:g}.").format(
            value=float(total[0])
        )
    if len(steps) > 4:
        return _(
            "Four rotations are enough for 16 slots, but you made {count}: double the step each time."
        ).format(count=len(steps))
    if not steps:
        return _("Use `rotate` and addition only: an encrypted sum can't look into single slots.")
    return None


@exercise(
    "encrypted_inference.copy_model",
    title=N_("Copy the model from its answers"),
    hint=N_(
        "The scores of an image of zeros are the intercept; one pixel set to 1 adds that pixel's weights."
    ),
)
def copy_model(answer):
    """The answer takes `score(values)` and the number of features; it returns (coeffs, intercept)."""
    random = np.random.default_rng(2)
    coeffs, intercept = random.normal(size=(3, 7)), random.normal(size=3)
    questions = []

    def score(values):
        questions.append(values)
        return coeffs @ np.asarray(values, dtype=float) + intercept

    copied_coeffs, copied_intercept = answer(score, 7)
    if np.shape(copied_coeffs) != (3, 7):
        return _("Coefficients of shape (3, 7) were expected, but the shape is {shape}.").format(
            shape=np.shape(copied_coeffs)
        )
    if not np.allclose(copied_intercept, intercept):
        return _("The intercept is not right yet: ask about an input of zeros.")
    if not np.allclose(copied_coeffs, coeffs):
        return _("The coefficients are not right yet: subtract the intercept from each answer.")
    if len(questions) > 8:
        return _("Eight questions are enough for 7 features, but you asked {count}.").format(
            count=len(questions)
        )
    return None
