"""The exercises on encrypted networks: what a wrong answer is told, and that a right one is right."""

import pytest

from course_lib.exercises import check
from course_lib.he.parameters import MAX_COEFF_MODULUS_BITS


@pytest.fixture(autouse=True)
def home_of_nobody(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))


def said(name, answer):
    outcome = check(f"encrypted_network.{name}", answer)
    return "" if outcome.right else outcome.hint


def seventh_power(x, multiply):
    square = multiply(x, x)
    cube, fourth = multiply(square, x), multiply(square, square)
    return multiply(cube, fourth)


def one_by_one(x, multiply):
    power = x
    for _product in range(6):
        power = multiply(power, x)
    return power


def wasteful(x, multiply):
    cube = multiply(multiply(x, x), x)
    return multiply(cube, multiply(multiply(x, x), multiply(x, x)))


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (seventh_power, ""),
        (one_by_one, "stand 6 deep"),
        (wasteful, "but you made 6"),
        (lambda x, multiply: multiply(x, x), "2187, but yours is 9"),
        (lambda x, multiply: 3**7, "Use `multiply` alone"),
        (lambda x, multiply: x**7, "TypeError"),
    ],
)
def test_seventh_power(answer, hint):
    assert hint in said("seventh_power", answer) and bool(hint) == bool(said("seventh_power", answer))


def degree_for(primes_of):
    def smallest_degree(activations):
        bits = 52 + 58 + 52 * sum(map(primes_of, activations))
        return min(degree for degree, most in MAX_COEFF_MODULUS_BITS.items() if bits <= most)

    return smallest_degree


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (degree_for(lambda degree: (degree - 1).bit_length()), ""),
        (degree_for(lambda degree: 1), "[4, 4] need 318 bits"),
        (degree_for(lambda degree: degree), "[2, 2] need 214 bits"),
        (degree_for(lambda degree: degree.bit_length()), "[2, 2] need 214 bits"),
        (degree_for(lambda degree: degree.bit_length() - 1), "[3, 2] need 266 bits"),
        (lambda activations: 8192, "but yours is 8192"),
    ],
)
def test_smallest_degree(answer, hint):
    assert hint in said("smallest_degree", answer) and bool(hint) == bool(said("smallest_degree", answer))


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda y, x, stride, grid: ((y % stride, x % stride), y // stride * grid + x // stride), ""),
        (lambda y, x, stride, grid: ((y, x), 0), "from 0 to 3, but for y = 0, x = 4"),
        (lambda y, x, stride, grid: ((y % stride, x % stride), 0), "For y = 0, x = 4 other pixels"),
        (
            lambda y, x, stride, grid: ((y % stride, x % stride), x // stride * grid + y // stride),
            "rotated by 8 slots.",
        ),
        (
            lambda y, x, stride, grid: ((x % stride, y % stride), y // stride * grid + x // stride),
            "For y = 0, x = 1 other pixels",
        ),
    ],
)
def test_view_and_rotation(answer, hint):
    assert hint in said("view_and_rotation", answer)
    assert bool(hint) == bool(said("view_and_rotation", answer))
