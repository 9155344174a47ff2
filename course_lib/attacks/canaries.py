"""The training that is audited: a linear model, some images, and canaries among them.

A canary is an image with one lone pixel and a label drawn at random. No digit looks like that, so nothing but
the canary itself teaches a model its label: about the strongest trace that one example can leave.

Promises: canaries that share no pixel, and scores as good as an auditor's can be who knows all but the coins.
Leaves out: randomness that protects anyone; the coins and labels come from a seed, for a learner to repeat.

Source of the idea: Nasr et al. 2023, "Tight Auditing of Differentially Private Machine Learning", USENIX
Security 2023 (Dirac canaries).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from course_lib.attacks.audit import flip_coins
from course_lib.i18n import _


@dataclass(frozen=True)
class Canaries:
    """Canaries' `inputs` (m, features) and `labels` (m,), and which are in the training data, bool (m,)."""

    inputs: Tensor
    labels: np.ndarray
    included: np.ndarray

    @classmethod
    def lone_pixels(cls, *, features: int, classes: int, seed: int) -> "Canaries":
        """One canary for each feature, with a label from 0 to classes - 1 and a coin, both from `seed`.

        >>> canaries = Canaries.lone_pixels(features=4, classes=10, seed=1)
        >>> canaries.inputs[2], canaries.labels, canaries.included
        (tensor([0., 0., 1., 0.]), array([5, 3, 3, 6]), array([False, False,  True, False]))
        """
        labels = np.random.default_rng([seed, 1]).integers(classes, size=features)
        return cls(torch.eye(features), labels, flip_coins(features, seed=seed))

    def added_to(self, inputs: Tensor, labels: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """The training data: `inputs` (n, features) and `labels` (n,), and the canaries that are in."""
        if inputs.shape[1:] != self.inputs.shape[1:]:
            message = _("Inputs of shape (n, {features}) were expected, but {shape} came.")
            raise ValueError(message.format(features=self.inputs.shape[1], shape=tuple(inputs.shape)))
        return (
            torch.cat([inputs, self.inputs[torch.from_numpy(self.included)]]),
            np.concatenate([labels, self.labels[self.included]]),
        )

    def scores(self, model: nn.Module, reference: nn.Module) -> np.ndarray:
        """How much more `model` favours each canary's label than `reference` does, which saw no canary.

        Both map inputs (n, features) to scores (n, classes). Returns float32 of shape (m,).
        """
        return _margins(model, self) - _margins(reference, self)


def train_without_noise(
    inputs: Tensor, labels: np.ndarray, *, classes: int, steps: int, learning_rate: float
) -> nn.Linear:
    """A linear model without intercept that begins with zeros and learns from all `inputs` in each step.

    >>> model = train_without_noise(torch.eye(2), np.array([1, 0]), classes=2, steps=1, learning_rate=4.0)
    >>> model.weight.detach()
    tensor([[-1.,  1.],
            [ 1., -1.]])
    """
    model = nn.Linear(inputs.shape[1], classes, bias=False)
    nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    for _step in range(steps):
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), torch.from_numpy(labels).long()).backward()
        optimizer.step()
    return model


def _margins(model: nn.Module, canaries: Canaries) -> np.ndarray:
    """The score of each canary's label, less the mean score of all labels."""
    with torch.no_grad():
        scores = model(canaries.inputs).numpy()
    return scores[np.arange(len(scores)), canaries.labels] - scores.mean(axis=1)
