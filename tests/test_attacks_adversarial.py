"""FGSM and PGD: the same changes as those of adversarial-robustness-toolbox, and never beyond epsilon."""

import numpy as np
import pytest
import torch
from art.attacks.evasion import FastGradientMethod, ProjectedGradientDescentPyTorch
from art.estimators.classification import PyTorchClassifier
from torch import nn

from course_lib.attacks.adversarial import accuracy_under, fgsm, pgd


@pytest.fixture(scope="module")
def network():
    """Steep, and with answers of all three classes on images between 0 and 1."""
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 3, bias=False))
    with torch.no_grad():
        network[0].weight *= 4
        network[0].bias -= network[0].weight.sum(dim=1) / 2
    return network


@pytest.fixture(scope="module")
def images():
    return torch.rand(50, 20, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def labels(network, images):
    answers = network(images).argmax(dim=1)
    assert answers.unique().tolist() == [0, 1, 2]
    return answers


def toolbox(network):
    return PyTorchClassifier(
        model=network,
        loss=nn.CrossEntropyLoss(),
        input_shape=(20,),
        nb_classes=3,
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )


@pytest.mark.parametrize("epsilon", [0.02, 0.1, 0.3])
def test_fgsm_is_the_toolboxs(network, images, labels, epsilon):
    theirs = FastGradientMethod(toolbox(network), norm=np.inf, eps=epsilon).generate(
        images.numpy(), y=labels.numpy()
    )
    ours = fgsm(network, images, labels, epsilon=epsilon)
    assert np.abs(theirs - images.numpy()).max() == pytest.approx(epsilon, abs=1e-6)
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-6)


@pytest.mark.parametrize(("epsilon", "steps"), [(0.02, 1), (0.1, 10), (0.3, 20)])
def test_pgd_is_the_toolboxs(network, images, labels, epsilon, steps):
    step_size = 2.5 * epsilon / steps
    attack = ProjectedGradientDescentPyTorch(
        toolbox(network),
        norm=np.inf,
        eps=epsilon,
        eps_step=min(step_size, epsilon),
        max_iter=steps,
        num_random_init=0,
        batch_size=50,
        verbose=False,
    )
    theirs = attack.generate(images.numpy(), y=labels.numpy())
    ours = pgd(network, images, labels, epsilon=epsilon, steps=steps)
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-6)


def test_a_linear_score_moves_by_epsilon_times_the_sum_of_its_weights():
    weights = torch.tensor([[0.5, -0.25, 0.0, 1.0]])
    model = lambda images: torch.cat([images @ weights.T, -images @ weights.T], dim=1)  # noqa: E731
    image = torch.full((1, 4), 0.5)
    changed = fgsm(model, image, torch.tensor([0]), epsilon=0.1)
    assert torch.allclose(changed, torch.tensor([[0.4, 0.6, 0.5, 0.4]]))
    assert float((image - changed) @ weights.T) == pytest.approx(0.1 * 1.75, abs=1e-6)


@pytest.mark.parametrize("epsilon", [0.0, 0.05, 0.4, 1.0])
@pytest.mark.parametrize("seed", [None, 3])
def test_no_pixel_leaves_its_range(network, images, labels, epsilon, seed):
    for changed in (
        fgsm(network, images, labels, epsilon=epsilon),
        pgd(network, images, labels, epsilon=epsilon, seed=seed),
    ):
        assert (changed - images).abs().max() <= epsilon + 1e-6
        assert changed.min() >= 0 and changed.max() <= 1
        assert not changed.requires_grad


def test_the_seed_decides_where_pgd_starts(network, images, labels):
    first, again, other = (
        pgd(network, images, labels, epsilon=0.3, steps=1, step_size=0.01, seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_pgd_does_at_least_as_much_harm_as_fgsm(network, images, labels):
    epsilons = [0.0, 0.05, 0.1, 0.2]
    one_step = accuracy_under(fgsm, network, images, labels, epsilons=epsilons)
    many = accuracy_under(pgd, network, images, labels, epsilons=epsilons, steps=20)
    assert one_step[0] == many[0] == 1 and one_step[-1] < 0.5
    assert all(ours <= theirs for ours, theirs in zip(many, one_step, strict=True))


def test_the_model_keeps_its_own_gradients(network, images, labels):
    network.zero_grad()
    fgsm(network, images, labels, epsilon=0.1)
    pgd(network, images, labels, epsilon=0.1)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_bad_input_is_told(network, images, labels):
    with pytest.raises(ValueError, match="epsilon is in units of a pixel between 0 and 1, but 25.5 came"):
        fgsm(network, images, labels, epsilon=25.5)
    with pytest.raises(ValueError, match="epsilon is in units of a pixel between 0 and 1, but -0.1 came"):
        pgd(network, images, labels, epsilon=-0.1)
    with pytest.raises(ValueError, match="but 50 images and 49 labels came"):
        fgsm(network, images, labels[:-1], epsilon=0.1)
    with pytest.raises(ValueError, match="At least one step was expected, but steps=0 came"):
        pgd(network, images, labels, epsilon=0.1, steps=0)
