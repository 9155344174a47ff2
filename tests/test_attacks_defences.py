"""Defences: answers that say less, and training under as much noise as its epsilon asks for."""

import math

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax

from course_lib.attacks.defences import (
    label_only,
    noise_multiplier,
    rounded,
    scores_of,
    train_privately,
)
from course_lib.pate.accounting.gaussian import gaussian_epsilon


@pytest.mark.parametrize("epsilon", [1.0, 4.0, 8.0])
@pytest.mark.parametrize("steps", [1, 30])
def test_the_noise_is_that_of_the_gaussian_mechanism_repeated(epsilon, steps):
    """Full batches: each step's sum moves by at most 1, so mu = sqrt(steps) / noise, exactly."""
    noise = noise_multiplier(epsilon=epsilon, delta=1e-5, steps=steps)
    exact = gaussian_epsilon(math.sqrt(steps) / noise, delta=1e-5)
    assert 0.97 * epsilon < exact <= epsilon


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(1)
    images = random.normal(size=(40, 6)).astype(np.float32) * np.geomspace(0.01, 100, 40)[:, None]
    return images.astype(np.float32), random.integers(10, size=40), random.random((3, 40)) < 0.5


def weights_of(model):
    return np.concatenate([part.detach().numpy().ravel() for part in (model.weight, model.bias)])


def cut_gradients(images, labels):
    """By hand, at weights of zero, where each class has confidence 1/10: (n, 70), none longer than 1."""
    errors = 0.1 - np.eye(10)[labels]
    slopes = np.concatenate(
        [np.einsum("nc,nf->ncf", errors, images).reshape(len(images), 60), errors], axis=1
    )
    return slopes / np.maximum(1, np.linalg.norm(slopes, axis=1, keepdims=True))


def test_one_step_without_noise_is_the_sum_of_cut_gradients(data):
    images, labels, members = data
    models = train_privately(
        images, labels, members, noise=0.0, steps=1, seed=1, learning_rate=2.0, progress=False
    )
    assert len(models) == 3
    lengths = np.linalg.norm(cut_gradients(images, labels), axis=1)
    assert (lengths > 0.999).any() and (lengths < 0.97).any()  # some are cut, some are not
    for model, row in zip(models, members, strict=True):
        expected = -2.0 * cut_gradients(images[row], labels[row]).sum(axis=0) / row.sum()
        np.testing.assert_allclose(weights_of(model), expected, atol=1e-5)


def test_no_image_moves_the_sum_by_more_than_1(data):
    images, labels, _members = data
    everybody, but_one = np.ones((1, 40), bool), np.arange(40)[None] != np.array([[0], [20], [39]])
    sums = [
        weights_of(model) * row.sum()
        for rows in (everybody, but_one)
        for model, row in zip(
            train_privately(
                images, labels, rows, noise=0.0, steps=1, seed=1, learning_rate=1.0, progress=False
            ),
            rows,
            strict=True,
        )
    ]
    moves = [np.linalg.norm(sums[0] - other) for other in sums[1:]]
    assert max(moves) <= 1 + 1e-4 and max(moves) > 0.99


def test_the_noise_is_as_large_as_was_said(data):
    images, labels, _members = data
    rows = np.ones((60, 40), bool)
    options = {"steps": 1, "learning_rate": 1.0, "progress": False, "seed": 3}
    quiet = weights_of(train_privately(images, labels, rows[:1], noise=0.0, **options)[0])
    noisy = train_privately(images, labels, rows, noise=5.0, **options)
    drawn = np.array([(weights_of(model) - quiet) * 40 for model in noisy])  # 60 x 70 draws
    assert drawn.std() == pytest.approx(5.0, rel=0.05) and abs(drawn.mean()) < 0.4


def test_the_seed_repeats_and_no_two_models_share_their_noise(data):
    images, labels, _members = data
    rows, options = np.ones((2, 40), bool), {"noise": 1.0, "steps": 2, "progress": False}
    first, again, other = (train_privately(images, labels, rows, seed=seed, **options) for seed in (1, 1, 2))
    assert np.array_equal(weights_of(first[0]), weights_of(again[0]))
    assert not np.allclose(weights_of(first[0]), weights_of(other[0]))
    assert not np.allclose(weights_of(first[0]), weights_of(first[1]))
    assert torch.equal(
        torch.from_numpy(scores_of(first, images)[1]), first[1](torch.from_numpy(images)).detach()
    )


def test_what_is_rounded_has_no_finer_differences():
    answers = np.random.default_rng(1).normal(size=(50, 10)) * 2
    exact, told = softmax(answers, axis=1), np.exp(rounded(answers, decimals=1))
    tenths = np.where(told < 0.01, 0, told) * 10
    np.testing.assert_allclose(tenths, tenths.round(), atol=1e-6)
    assert np.abs(told - exact).max() <= 0.05 + 1e-9 and told.min() == pytest.approx(0.001)
    np.testing.assert_allclose(
        rounded(answers, decimals=12), np.maximum(log_softmax(answers, axis=1), np.log(0.001)), atol=1e-6
    )


def test_the_class_alone_is_the_class_alone():
    answers = np.random.default_rng(1).normal(size=(2, 50, 10))
    told = label_only(answers)
    assert (told.argmax(axis=-1) == answers.argmax(axis=-1)).all()
    assert np.unique(told).tolist() == pytest.approx([np.log(0.001), 0])
    assert (np.sort(told, axis=-1) == np.sort(told[0, 0])).all()  # how sure the model is does not show


def test_bad_input_is_told():
    for epsilon, delta in ((0, 1e-5), (-1, 1e-5), (1, 0), (1, 1)):
        with pytest.raises(ValueError, match=f"but {epsilon} and {delta} came"):
            noise_multiplier(epsilon=epsilon, delta=delta, steps=1)
