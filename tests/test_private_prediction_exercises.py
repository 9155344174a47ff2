"""The exercises on private prediction: what a wrong answer is told, and that a right one is right."""

import numpy as np
import pytest

from course_lib.exercises import check
from course_lib.mpc.recordings import looks_uniform


@pytest.fixture(autouse=True)
def home_of_nobody(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))


def told(name: str, answer, hint: str) -> None:
    """The outcome is right without a `hint`, and else wrong, with these words."""
    outcome = check(name, answer)
    assert outcome.right == (not hint) and hint in (outcome.hint or ""), outcome


def elements(shapes) -> int:
    return sum(int(np.prod(shape)) for shape in shapes)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda shapes: 16 * elements(shapes), ""),
        (lambda shapes: 8 * elements(shapes), "two of the three parts"),
        (lambda shapes: 24 * elements(shapes), "all three hold together"),
        (lambda shapes: 48 * elements(shapes), "all three hold together"),
        (lambda shapes: 4 * elements(shapes), "float32"),
        (lambda shapes: 16 * elements(shapes[:2]), "Count all arrays"),
        (lambda shapes: 17, "1760 bytes were expected, but 17 came"),
    ],
)
def test_bytes_for_a_party(answer, hint):
    told("private_prediction_serve.bytes_for_a_party", answer, hint)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda arrays: 0 if looks_uniform(arrays[0]) else 1, ""),
        (lambda arrays: 0, "were taken for the share"),
        (lambda arrays: 1, "were taken for the share"),
        (lambda arrays: looks_uniform(arrays[0]), "The index 0 or 1 was expected"),
        (lambda arrays: 0 if arrays[0].max() > 2**63 else 1, "were taken for the share"),
        (lambda arrays: 2, "The index 0 or 1 was expected"),
    ],
)
def test_which_is_a_share(answer, hint):
    told("private_prediction_serve.which_is_a_share", answer, hint)


def recombine(shares, first, second):
    if (first + 1) % 3 != second:
        first, second = second, first
    return shares[first].sum(axis=-1) + shares[second][..., 1]


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (recombine, ""),
        (lambda shares, first, second: shares[first].sum(axis=-1) + shares[second][..., 1], "should add up"),
        (
            lambda shares, first, second: shares[first].sum(axis=-1) + shares[second].sum(axis=-1),
            "count it once",
        ),
        (lambda shares, first, second: shares[first] + shares[second], "of shape (1, 2) was expected"),
        (lambda shares, first, second: sum(share[..., 0] for share in shares), "Your code raised"),
    ],
)
def test_recombine(answer, hint):
    told("private_prediction_serve.recombine", answer, hint)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda shares: all((shares[r][..., 1] == shares[(r + 1) % 3][..., 0]).all() for r in range(3)), ""),
        (lambda shares: True, "alice has changed part 0"),
        (lambda shares: False, "Nobody has changed anything"),
        (lambda shares: bool((shares[0][..., 1] == shares[1][..., 0]).all()), "alice has changed part 0"),
        (
            lambda shares: all((shares[r][..., 1] == shares[r + 1][..., 0]).all() for r in range(2)),
            "alice has changed part 0",
        ),
        (lambda shares: bool((shares[0] == shares[1]).all()), "Nobody has changed anything"),
    ],
)
def test_copies_agree(answer, hint):
    told("private_prediction_query.copies_agree", answer, hint)


def estimate(cost, milliseconds, megabits):
    return cost.seconds + cost.messages * milliseconds / 1000 + cost.sent_bytes * 8 / (megabits * 1e6)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (estimate, ""),
        (lambda c, ms, mb: c.seconds + c.messages * ms + c.sent_bytes * 8 / (mb * 1e6), "in milliseconds"),
        (lambda c, ms, mb: c.seconds + c.messages * ms / 1000 + c.sent_bytes / (mb * 1e6), "eight bits"),
        (lambda c, ms, mb: c.seconds + c.messages * ms / 1000 + c.sent_bytes * 8 / mb / 1e3, "were expected"),
        (lambda c, ms, mb: c.seconds + c.messages * ms / 1000 + c.sent_bytes * 8 / mb, "a million bits"),
        (lambda c, ms, mb: estimate(c, ms, mb) - c.seconds, "on top of"),
        (lambda c, ms, mb: c.seconds + ms / 1000 + c.sent_bytes * 8 / (mb * 1e6), "Each of the messages"),
        (lambda c, ms, mb: estimate(c, ms, mb) - 1e5 * 8 / (mb * 1e6), "that the party sends"),
        (lambda c, ms, mb: c.seconds + c.messages * ms / 1000, "The bytes take time, too."),
        (lambda c, ms, mb: 1.65, "At 0 ms and 1000 megabits in a second 0.254 seconds"),
    ],
)
def test_seconds_on_network(answer, hint):
    told("private_prediction_query.seconds_on_network", answer, hint)


def ask_all(images, ask, size):
    answers = []
    for start in range(0, len(images), size):
        batch = np.zeros((size, 28, 28, 1), dtype=np.float32)
        part = images[start : start + size]
        batch[: len(part)] = part
        answers.append(ask(batch)[: len(part)])
    return np.concatenate(answers)


def uncut(images, ask, size):
    return np.concatenate(
        [
            ask(np.resize(images[start : start + size], (size, 28, 28, 1)))
            for start in range(0, len(images), size)
        ]
    )


def one_by_one(images, ask, size):
    return np.concatenate([ask(np.repeat(image[np.newaxis], size, axis=0))[:1] for image in images])


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (ask_all, ""),
        (uncut, "the shape (10, 10) was expected, but (12, 10) came"),
        (one_by_one, "ask 1 times; you asked 4 times"),
        (lambda images, ask, size: ask(images), "(4, 28, 28, 1) was expected, but (8, 28, 28, 1) came"),
        (lambda images, ask, size: ask_all(images[::-1], ask, size), "in their order"),
    ],
)
def test_ask_all(answer, hint):
    told("private_prediction_query.ask_all", answer, hint)
