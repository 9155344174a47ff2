"""DP-SGD with Opacus: the ε that is stated is the one that dp-accounting finds, and noise does its work."""

import numpy as np
import pytest
import torch
from dp_accounting import NeighboringRelation, dp_event
from dp_accounting.pld import PLDAccountant
from opacus.optimizers import DPOptimizer
from torch import nn

from course_lib.dp_sgd import PublicScaling, fixed_features, train_dp_sgd

EXAMPLES, EPOCHS, BATCH = 2000, 3, 200


def examples():
    random = np.random.default_rng(1)
    labels = random.integers(2, size=EXAMPLES)
    inputs = random.normal(size=(EXAMPLES, 5)) + 2 * np.eye(2, 5)[labels]
    return torch.nn.functional.normalize(torch.from_numpy(inputs).float()), labels


def train(epsilon, **options):
    inputs, labels = examples()
    model = nn.Linear(5, 2)
    options = {
        "delta": 1e-5,
        "seed": 1,
        "epochs": EPOCHS,
        "batch_size": BATCH,
        "learning_rate": 5.0,
    } | options
    stated = train_dp_sgd(model, inputs, labels, epsilon=epsilon, **options)
    right = (model(inputs).argmax(dim=1).numpy() == labels).mean()
    return model, stated, right


def noise_multiplier_of(monkeypatch, epsilon):
    seen = set()
    before = DPOptimizer.add_noise

    def watched(self):
        seen.add((self.noise_multiplier, self.max_grad_norm))
        before(self)

    monkeypatch.setattr(DPOptimizer, "add_noise", watched)
    stated = train(epsilon)[1]
    ((multiplier, clip),) = seen
    assert clip == 1.0
    return multiplier, stated


@pytest.mark.parametrize("epsilon", [0.5, 2.0])
def test_the_stated_epsilon_is_that_of_another_accountant(monkeypatch, epsilon):
    multiplier, stated = noise_multiplier_of(monkeypatch, epsilon)
    accountant = PLDAccountant(NeighboringRelation.ADD_OR_REMOVE_ONE)
    step = dp_event.PoissonSampledDpEvent(BATCH / EXAMPLES, dp_event.GaussianDpEvent(multiplier))
    accountant.compose(step, EPOCHS * EXAMPLES // BATCH)
    assert stated <= epsilon
    assert accountant.get_epsilon(1e-5) == pytest.approx(stated, abs=0.03)


def test_each_gradient_is_cut_and_noise_is_added(monkeypatch):
    lengths = []
    before = DPOptimizer.add_noise

    def watched(self):
        lengths.append(max(float(p.summed_grad.norm()) for p in self.params) / BATCH)
        before(self)

    monkeypatch.setattr(DPOptimizer, "add_noise", watched)
    inputs, labels = examples()
    train_dp_sgd(
        nn.Linear(5, 2), 1000 * inputs, labels, epsilon=1, delta=1e-5, seed=1, epochs=1, batch_size=BATCH
    )
    assert 0 < max(lengths) < 2  # uncut, the sum of so large gradients would be hundreds of times larger


def test_less_epsilon_costs_accuracy_and_the_seed_repeats():
    accuracies = [train(epsilon)[2] for epsilon in (0.05, 8.0)]
    assert accuracies[1] > 0.9 > accuracies[0]
    first, second, other = train(2.0)[0], train(2.0)[0], train(2.0, seed=2)[0]
    assert torch.equal(first.weight, second.weight) and not torch.equal(first.weight, other.weight)


def test_the_callers_generator_goes_on_as_if_nothing_had_been_drawn():
    torch.manual_seed(3)
    state = torch.get_rng_state()
    train(2.0)
    torch.nn.Linear(5, 2)  # `train` makes a model first, which draws; the rest must not
    torch.manual_seed(3)
    nn.Linear(5, 2)
    expected = torch.get_rng_state()
    torch.set_rng_state(state)
    train(2.0)
    assert torch.equal(torch.get_rng_state(), expected)


def test_bad_input_is_told():
    inputs, labels = examples()
    with pytest.raises(
        ValueError, match="epsilon must be above 0 and delta between 0 and 1, but 0 and 1e-05 came"
    ):
        train_dp_sgd(nn.Linear(5, 2), inputs, labels, epsilon=0, delta=1e-5, seed=1)
    with pytest.raises(ValueError, match="but 1 and 1 came"):
        train_dp_sgd(nn.Linear(5, 2), inputs, labels, epsilon=1, delta=1, seed=1)
    with pytest.raises(ValueError, match="but 2000 inputs and 1999 labels came"):
        train_dp_sgd(nn.Linear(5, 2), inputs, labels[:-1], epsilon=1, delta=1e-5, seed=1)


def test_scaling_comes_from_public_inputs_alone():
    random = torch.Generator().manual_seed(1)
    public, private = (
        torch.randn(500, 4, generator=random) * torch.tensor([9.0, 3.0, 1.0, 0.1]) for _ in "ab"
    )
    scaling = PublicScaling.of(public, kept=3)
    scaled = scaling(private)
    assert scaled.shape == (500, 3) and torch.allclose(scaled.norm(dim=1), torch.ones(500))
    assert torch.allclose(scaling(private[:7]), scaled[:7])  # the other private inputs play no part
    assert torch.cov(scaled.T).diagonal().std() < 0.05


def test_features_in_parts_are_the_features_of_all():
    layer, images = nn.Sequential(nn.Flatten(), nn.Linear(9, 2)), torch.randn(2345, 1, 3, 3)
    assert torch.allclose(fixed_features(layer, images), layer(images), atol=1e-6)
