"""PATE in small: each image reaches one teacher, each teacher has one vote, and nobody shares a half."""

import numpy as np
import pytest

from course_lib.attacks.targets import random_halves
from course_lib.attacks.teachers import (
    dealt_out,
    look_alike,
    train_students,
    train_teachers,
    votes_on_groups,
)


@pytest.fixture(scope="module")
def members():
    return random_halves(80, models=3, seed=1)


def test_each_member_has_one_teacher_and_nobody_else_has_any(members):
    parts = dealt_out(members, teachers=5, seed=1)
    assert parts.shape == (3 * 5, 80) and (parts.sum(axis=1) == 8).all()
    assert (parts.reshape(3, 5, 80).sum(axis=1) == members).all()
    assert np.array_equal(parts, dealt_out(members, teachers=5, seed=1))
    assert not np.array_equal(parts, dealt_out(members, teachers=5, seed=2))


def test_votes_are_what_counting_by_hand_says():
    random = np.random.default_rng(1)
    predictions, groups = random.integers(3, size=(6, 40)), np.arange(40) % 4
    votes = votes_on_groups(predictions, groups, teachers=3)
    assert votes.shape == (2, 4, 10) and (votes.sum(axis=2) == 3).all()
    for model in range(2):
        for group in range(4):
            expected = np.zeros(10, dtype=int)
            for teacher in range(3 * model, 3 * model + 3):
                own = predictions[teacher, groups == group].tolist()
                expected[max(range(10), key=lambda label, own=own: (own.count(label), -label))] += 1
            assert votes[model, group].tolist() == expected.tolist()


def test_one_teacher_moves_one_vote_in_each_group():
    random = np.random.default_rng(2)
    predictions, groups = random.integers(10, size=(5, 60)), np.arange(60) % 6
    changed = predictions.copy()
    changed[3] = (changed[3] + 1) % 10
    moved = np.abs(
        votes_on_groups(predictions, groups, teachers=5) - votes_on_groups(changed, groups, teachers=5)
    )
    assert moved.max() == 1 and moved.sum(axis=2).max() <= 2 and moved.sum() > 0


def test_one_image_moves_one_teacher_alone(members):
    random = np.random.default_rng(3)
    images, labels = random.random((80, 12), dtype=np.float32), random.integers(10, size=80)
    other = images.copy()
    place = members[1].nonzero()[0][0]
    other[place] = 1 - other[place]
    before, after = (
        train_teachers(pictures, labels, members, teachers=5, seed=1).scores(images)
        for pictures in (images, other)
    )
    moved = {int(model) for model in np.flatnonzero(np.abs(before - after).max(axis=(1, 2)) > 1e-4)}
    assert moved == set(np.flatnonzero(dealt_out(members, teachers=5, seed=1)[:, place]).tolist())
    assert len(moved) == members[:, place].sum()  # one for each half that the image is in


def test_students_learn_what_each_was_told():
    random = np.random.default_rng(4)
    centres = 3 * np.eye(10, 20)
    truth = np.arange(600) % 10
    images = (centres[truth] + 0.1 * random.normal(size=(600, 20))).astype(np.float32)
    told = np.array([truth, (truth + 1) % 10])
    answers = train_students(images, told, seed=1).predict(images)
    assert [(row == labels).mean() > 0.9 for row, labels in zip(answers, told, strict=True)] == [True, True]


def test_groups_hold_what_looks_alike():
    truth = np.arange(90) % 3
    features = 10 * np.eye(3)[truth] + np.random.default_rng(5).normal(size=(90, 3))
    groups = look_alike(features, groups=3, seed=1)
    assert sorted(np.unique(groups)) == [0, 1, 2]
    assert all(len(set(groups[truth == kind])) == 1 for kind in range(3))


def test_a_half_that_cannot_be_dealt_out_evenly_is_told(members):
    with pytest.raises(ValueError, match="40 images cannot be dealt out evenly to 7 teachers"):
        dealt_out(members, teachers=7, seed=1)
    with pytest.raises(ValueError, match="40 images cannot be dealt out evenly to 0 teachers"):
        dealt_out(members, teachers=0, seed=1)
