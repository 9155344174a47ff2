"""Model inversion: the gradient of a linear model is known, answers give it away, and rounding hides it."""

import pytest
import torch
from torch import nn

from course_lib.attacks.inversion import AnsweringModel, invert_class, invert_from_confidences


def linear(features=6, classes=4, seed=1):
    torch.manual_seed(seed)
    return nn.Linear(features, classes)


def known_slope(model, image, label):
    """d p_label / d x = p_label (w_label - Σ p_k w_k), for a linear model behind a softmax."""
    confidences = model(image).softmax(dim=0)
    return confidences[label] * (model.weight[label] - confidences @ model.weight)


@pytest.mark.parametrize("label", range(4))
def test_one_step_is_the_known_gradient_of_a_linear_model(label):
    model = linear()
    expected = (2.0 * known_slope(model, torch.zeros(6), label)).clamp(0, 1)
    found = invert_class(model, label, features=6, steps=1, step_size=2.0)
    assert expected.max() > 0 and torch.allclose(found, expected, atol=1e-6)


def test_two_steps_are_one_step_and_then_another_from_there():
    model = linear()
    first = invert_class(model, 2, features=6, steps=1, step_size=1.0)
    expected = (first + 1.0 * known_slope(model, first, 2)).clamp(0, 1)
    found = invert_class(model, 2, features=6, steps=2, step_size=1.0)
    assert not torch.allclose(found, first) and torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("label", range(4))
def test_answers_alone_give_nearly_the_same_image(label):
    model = nn.Sequential(linear(), nn.Tanh(), linear(4, 4, seed=2))
    white_box = invert_class(model, label, features=6)
    black_box = invert_from_confidences(AnsweringModel(model), label, features=6, difference=0.01)
    assert white_box.max() > 0.2 and torch.allclose(black_box, white_box, atol=0.05)


def test_the_rebuilt_image_is_what_the_model_is_sure_of():
    model = linear()
    before = model(torch.zeros(6)).softmax(dim=0)
    for label in range(4):
        image = invert_class(model, label, features=6, steps=50)
        assert model(image).softmax(dim=0)[label] > before[label]
        assert image.min() >= 0 and image.max() <= 1


def test_questions_are_counted_and_stay_in_range():
    model, seen = AnsweringModel(linear()), []

    def ask(inputs):
        seen.append(inputs)
        return model(inputs)

    for difference in (0.01, 0.4, 1.0):
        invert_from_confidences(ask, 1, features=6, steps=10, difference=difference)
    asked = torch.cat(seen)
    assert model.questions == len(asked) == 3 * 10 * (6 + 1)
    assert asked.min() >= 0 and asked.max() <= 1


def test_rounding_hides_small_steps_and_not_whole_pixels():
    model = linear()
    for difference, blank in ((0.001, True), (1.0, False)):
        image = invert_from_confidences(
            AnsweringModel(model, decimals=2), 1, features=6, difference=difference
        )
        assert torch.equal(image, torch.zeros(6)) == blank


def test_rounded_answers_have_so_many_decimals_and_unrounded_ones_add_up_to_1():
    inputs = torch.rand(5, 6, generator=torch.Generator().manual_seed(1))
    whole, rounded = (AnsweringModel(linear(), decimals=decimals)(inputs) for decimals in (None, 1))
    assert torch.allclose(whole.sum(dim=1), torch.ones(5)) and not whole.requires_grad
    assert torch.allclose(rounded * 10, (rounded * 10).round(), atol=1e-5)
    assert (rounded - whole).abs().max() <= 0.05 + 1e-6


def test_bad_input_is_told():
    model = linear()
    with pytest.raises(ValueError, match="At least one step, of a size above 0, was expected, but 0 of 5.0"):
        invert_class(model, 1, features=6, steps=0)
    with pytest.raises(ValueError, match="but 10 of 0 came"):
        invert_from_confidences(AnsweringModel(model), 1, features=6, step_size=0)
    with pytest.raises(ValueError, match="A difference above 0 was expected, but 0 came"):
        invert_from_confidences(AnsweringModel(model), 1, features=6, difference=0)
