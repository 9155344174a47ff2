"""The audit: right about mechanisms whose epsilon is known, and about a training that remembers all."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from opacus.optimizers import DPOptimizer
from scipy.optimize import brentq
from scipy.stats import binom, norm

from course_lib.attacks.audit import (
    audit_lower_bound,
    chance_of_correct,
    count_correct,
    flip_coins,
    guess,
)
from course_lib.attacks.canaries import Canaries, canary_scores, train_without_noise
from course_lib.pate.accounting.gaussian import gaussian_epsilon

RUNS = 2000


def bounds_of(correct, guesses, **options):
    """The bound for each number of right guesses in `correct`, computed once for each."""
    each = {count: audit_lower_bound(count, guesses, **options) for count in np.unique(correct).tolist()}
    return np.array([each[count] for count in correct.tolist()])


@pytest.mark.parametrize("epsilon", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("canaries", [30, 400])
def test_randomised_response_is_rarely_overrated(epsilon, canaries):
    random = np.random.default_rng(1)
    included = random.random((RUNS, canaries)) < 0.5
    honest = random.random((RUNS, canaries)) < 1 / (1 + math.exp(-epsilon))
    told = np.where(honest, included, ~included)
    correct = (told == included).sum(axis=1)
    bounds = bounds_of(correct, canaries, delta=0, confidence=0.95, canaries=canaries)
    too_large = (bounds > epsilon).sum()
    assert binom.sf(too_large - 1, RUNS, 0.05) > 1e-4, f"{too_large} of {RUNS} runs broke the promise"
    if canaries == 400 and epsilon > 0:
        assert np.median(bounds) > 0.5 * epsilon  # and the bound is worth something


@pytest.mark.parametrize("mu", [0.5, 1.5])
@pytest.mark.parametrize("guesses", [40, 200])
def test_a_gaussian_mechanism_with_abstention_is_rarely_overrated(mu, guesses):
    """Each canary's coin, plus noise: exactly (epsilon, delta)-private for the epsilon of this mu."""
    delta, canaries = 1e-5, 400
    epsilon = gaussian_epsilon(mu, delta=delta)
    random = np.random.default_rng(2)
    correct = []
    for _run in range(500):
        included = random.random(canaries) < 0.5
        scores = mu * included + random.normal(size=canaries)
        correct.append(count_correct(guess(scores, guesses=guesses), included))
    bounds = bounds_of(np.array(correct), guesses, delta=delta, confidence=0.95, canaries=canaries)
    too_large = (bounds > epsilon).sum()
    assert binom.sf(too_large - 1, 500, 0.05) > 1e-4
    assert bounds.mean() > (0.15 if mu == 1.5 else 0.0)


def test_a_mechanism_that_fails_with_probability_delta_is_what_delta_is_counted_for():
    """With probability m * delta it tells a canary outright: theorem 5.2 must allow for at least that."""
    without = chance_of_correct(60, 60, 2.0, delta=0, canaries=60)
    allowed = chance_of_correct(60, 60, 2.0, delta=1e-3, canaries=60)
    one_told = chance_of_correct(59, 59, 2.0, delta=0, canaries=59)
    assert without < one_told
    assert allowed >= without + 60 * 1e-3 * (one_told - without)


@pytest.mark.parametrize(("correct", "guesses"), [(8, 10), (60, 80), (95, 100), (430, 500)])
def test_without_delta_the_bound_solves_the_binomial_tail(correct, guesses):
    def tail(epsilon):
        right = math.exp(epsilon) / (1 + math.exp(epsilon))
        terms = range(correct, guesses + 1)
        return sum(math.comb(guesses, k) * right**k * (1 - right) ** (guesses - k) for k in terms) - 0.05

    expected = brentq(tail, 0, 30) if tail(0) < 0 else 0.0
    found = audit_lower_bound(correct, guesses, delta=0, confidence=0.95, canaries=guesses)
    assert found == pytest.approx(expected, abs=1e-9)


def test_all_right_is_bounded_by_the_number_of_guesses():
    for guesses in (20, 200, 2000):
        right = 0.05 ** (1 / guesses)
        found = audit_lower_bound(guesses, guesses, delta=0, confidence=0.95, canaries=guesses)
        assert found == pytest.approx(math.log(right / (1 - right)), abs=1e-9)


def test_theorem_5_2_term_by_term():
    correct, guesses, epsilon, delta, canaries = 70, 90, 0.7, 1e-3, 150
    tail = [binom.sf(v - 1, guesses, 1 / (1 + math.exp(-epsilon))) for v in range(guesses + 1)]
    jumps = [(tail[max(0, correct - i)] - tail[correct]) / i for i in range(1, canaries + 1)]
    expected = tail[correct] + 2 * canaries * delta * max(jumps)
    found = chance_of_correct(correct, guesses, epsilon, delta=delta, canaries=canaries)
    assert found == pytest.approx(expected, rel=1e-9) and found > 1.01 * tail[correct]


def test_more_right_guesses_prove_more_and_more_canaries_or_delta_prove_less():
    options = {"delta": 1e-5, "confidence": 0.95, "canaries": 1000}
    bounds = [audit_lower_bound(correct, 100, **options) for correct in range(101)]
    assert bounds == sorted(bounds) and bounds[50] == 0 < bounds[70] < bounds[100]
    by_delta = [audit_lower_bound(95, 100, **options | {"delta": d}) for d in (0, 1e-5, 1e-4)]
    by_canaries = [audit_lower_bound(95, 100, **options | {"canaries": m}) for m in (100, 1000, 10_000)]
    by_confidence = [audit_lower_bound(95, 100, **options | {"confidence": c}) for c in (0.8, 0.95, 0.99)]
    for falling in (by_delta, by_canaries, by_confidence):
        assert all(before > after for before, after in pairwise(falling))


def test_chance_grows_with_epsilon_so_that_halving_finds_the_bound():
    for correct, guesses, delta in ((50, 60, 1e-5), (190, 200, 1e-4), (200, 200, 1e-5)):
        chances = [
            chance_of_correct(correct, guesses, epsilon, delta=delta, canaries=500)
            for epsilon in np.linspace(0, 6, 121)
        ]
        below = [chance <= 0.05 for chance in chances]
        assert below == sorted(below, reverse=True) and below[0] and not below[-1]


def test_guesses_are_in_for_the_highest_out_for_the_lowest_and_so_many():
    scores = np.random.default_rng(1).normal(size=50)
    guessed = guess(scores, guesses=20)
    assert (guessed == 1).sum() == (guessed == -1).sum() == 10
    assert scores[guessed == 1].min() > scores[guessed == 0].max()
    assert scores[guessed == -1].max() < scores[guessed == 0].min()
    included = flip_coins(50, seed=1)
    by_hand = sum((g == 1 and i) or (g == -1 and not i) for g, i in zip(guessed, included, strict=True))
    assert count_correct(guessed, included) == by_hand
    assert np.array_equal(guess(np.zeros(4), guesses=2), [-1, 0, 0, 1])  # ties need no luck


def test_coins_are_fair_and_come_from_the_seed():
    coins = flip_coins(10_000, seed=1)
    assert abs(coins.mean() - 0.5) < norm.isf(1e-4) * 0.005
    assert np.array_equal(coins, flip_coins(10_000, seed=1))
    assert not np.array_equal(coins, flip_coins(10_000, seed=2))


@pytest.fixture(scope="module")
def data():
    random = torch.Generator().manual_seed(1)
    images = torch.nn.functional.normalize(torch.rand(80, 120, generator=random))
    return images, np.arange(80) % 10


@pytest.mark.parametrize("epsilon", [None, 4.0])
def test_a_training_that_remembers_is_found_out_and_a_private_one_keeps_its_promise(data, epsilon):
    canaries = Canaries.lone_pixels(features=120, seed=1)
    scores = canary_scores(canaries, *data, epsilon=epsilon, delta=1e-3, seed=1)
    correct = count_correct(guess(scores, guesses=60), canaries.included)
    bound = audit_lower_bound(correct, 60, delta=1e-3, confidence=0.95, canaries=120)
    if epsilon is None:
        assert correct == 60 and bound > 2.5
    else:
        assert 30 < correct < 60 and bound <= epsilon


def test_the_audited_training_adds_the_noise_that_its_epsilon_asks_for(monkeypatch, data):
    """Full batches: ten sums that one example moves by at most 1, so mu = sqrt(10) / noise, exactly."""
    seen, before = [], DPOptimizer.add_noise

    def watched(self):
        seen.append((self.noise_multiplier, self.max_grad_norm, self.expected_batch_size))
        before(self)

    monkeypatch.setattr(DPOptimizer, "add_noise", watched)
    canaries = Canaries.lone_pixels(features=120, seed=1)
    canary_scores(canaries, *data, epsilon=4.0, delta=1e-5, seed=1)
    ((noise, clip, batch),) = set(seen)
    assert len(seen) == 10 and clip == 1.0 and batch == 80 + canaries.included.sum()
    assert 0.97 * 4 < gaussian_epsilon(math.sqrt(10) / noise, delta=1e-5) <= 4


def test_the_reference_moves_as_far_as_the_model_so_that_canaries_left_out_score_nearly_0(data):
    canaries = Canaries.lone_pixels(features=120, seed=1)
    scores = canary_scores(canaries, *data, epsilon=None, delta=1e-3, seed=1)
    left_out = np.abs(scores[~canaries.included]).mean()
    assert left_out < 0.06 * scores[canaries.included].mean()  # 3%, and 14% if it moved too far


def test_a_model_that_saw_no_canary_favours_none(data):
    canaries = Canaries.lone_pixels(features=120, seed=1)
    blind = Canaries(canaries.images, canaries.labels, np.zeros(120, dtype=bool))
    assert np.allclose(canary_scores(blind, *data, epsilon=None, delta=1e-3, seed=1), 0, atol=1e-6)


def test_training_data_are_the_images_and_the_canaries_that_are_in(data):
    canaries = Canaries.lone_pixels(features=120, seed=2)
    images, labels = canaries.added_to(*data)
    count = canaries.included.sum()
    assert images.shape == (80 + count, 120) and labels.shape == (80 + count,)
    assert torch.equal(images[:80], data[0]) and (labels[:80] == data[1]).all()
    places = images[80:].argmax(dim=1).numpy()
    assert (places == np.flatnonzero(canaries.included)).all() and (images[80:].sum(dim=1) == 1).all()
    assert (labels[80:] == canaries.labels[places]).all()


def test_a_model_without_noise_is_what_gradient_descent_makes_of_it():
    """From zeros all ten classes have confidence 1/10: one step of the first of ten is known."""
    model = train_without_noise(torch.eye(3), np.array([0, 1, 2]), learning_rate=1e-4)
    slope = np.full((10, 3), 0.1) - np.eye(10, 3)
    assert np.allclose(model.weight.detach().numpy(), -10 * 1e-4 * slope / 3, rtol=1e-2)


def test_bad_input_is_told(data):
    options = {"delta": 0, "confidence": 0.95, "canaries": 10}
    for correct, guesses in ((5, 4), (-1, 4), (5, 11)):
        with pytest.raises(ValueError, match=f"but {correct}, {guesses} and 10 came"):
            audit_lower_bound(correct, guesses, **options)
    for wrong in ({"delta": 1}, {"delta": -0.1}, {"confidence": 1}, {"confidence": 0}):
        with pytest.raises(ValueError, match="delta from 0 to below 1 and a confidence between 0 and 1"):
            audit_lower_bound(5, 10, **options | wrong)
    for guesses in (0, 3, 12):
        with pytest.raises(ValueError, match=f"from 2 to 10 was expected, but {guesses} came"):
            guess(np.zeros(10), guesses=guesses)
    with pytest.raises(ValueError, match=r"Images of shape \(n, 5\) were expected, but \(80, 120\) came"):
        Canaries.lone_pixels(features=5, seed=1).added_to(*data)
