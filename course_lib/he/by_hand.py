"""Encryption small enough to follow on paper: the toy of the lesson, and its diagonals.

Promises nothing about security: the secret has four entries, and the noise is seeded by the caller so that a
reader gets the printed numbers. It works as the real scheme does (learning with errors, Regev 2005; the noise
in the lowest digits of the message, free room above it), in decimal, and one number where CKKS has thousands.
"""

import numpy as np

MODULUS = 10**9  # every number on the page is a remainder after division by this
SCALE = 1000  # 3.14 is stored as 3140: three decimal digits survive


def toy_encrypt(value: float, secret: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The ciphertext of `value`: a random mask for each entry of the secret, then the masked number.

    `secret` holds -1, 0 and 1, shape (n,); the result has shape (n + 1,), integers mod MODULUS.

    >>> secret = np.array([1, 0, -1, 1])
    >>> toy_decrypt(toy_encrypt(3.14, secret, np.random.default_rng(0)), secret, SCALE)
    3.139
    """
    mask = random.integers(MODULUS, size=len(secret))
    noise = random.integers(-2, 3)
    return np.append(mask, round(value * SCALE) + noise - mask @ secret) % MODULUS


def toy_decrypt(ciphertext: np.ndarray, secret: np.ndarray, scale: int) -> float:
    """The value back, with what the noise did to it; `scale` is SCALE, or its square after a product.

    >>> toy_decrypt(np.array([0, 0, 0, 0, MODULUS - 2500]), np.array([1, 0, -1, 1]), SCALE)
    -2.5
    """
    remainder = (ciphertext[-1] + ciphertext[:-1] @ secret) % MODULUS
    if remainder > MODULUS // 2:  # the upper half of the remainders stands for negative numbers
        remainder = remainder - MODULUS
    return float(remainder / scale)


def multiply_by_diagonals(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """weights @ values with slotwise products and rotations only; both sides of `weights` are equal.

    Diagonal d holds, for each class i, its weight for feature i + d (counted around the end).

    >>> multiply_by_diagonals(np.array([[1, 2], [3, 4]]), np.array([10, 1]))
    array([12., 34.])
    """
    classes = np.arange(len(weights))
    total = np.zeros(len(weights))
    for shift in range(len(weights)):
        diagonal = weights[classes, (classes + shift) % len(weights)]
        total = total + diagonal * np.roll(values, -shift)
    return total
