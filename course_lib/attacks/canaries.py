"""A training to be audited: a linear model learns from images, with canaries among them.

A canary is an image with one lone pixel and a label drawn at random. No digit looks like that, so nothing but
the canary itself teaches a model its label: about the strongest trace that one example can leave.

Promises: canaries that share no pixel with each other; DP-SGD as in `course_lib.dp_sgd`, each batch holding
all images; a score for an auditor who knows all but the single coins and the noise; how many canaries are in
counts as known. Leaves out: randomness that protects anyone; coins, labels and noise come from a seed, for a
learner to repeat.

Source of the idea: Nasr et al. 2023, "Tight Auditing of Differentially Private Machine Learning", USENIX
Security 2023 (Dirac canaries).
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from course_lib.attacks.audit import flip_coins
from course_lib.dp_sgd import train_dp_sgd
from course_lib.i18n import _

CLASSES = 10
_STEPS, _LEARNING_RATE = 10, 50.0


@dataclass(frozen=True)
class Canaries:
    """Their `images`, float32 (m, features), `labels` (m,), and which are in the training data, bool (m,)."""

    images: Tensor
    labels: np.ndarray
    included: np.ndarray

    @classmethod
    def lone_pixels(cls, *, features: int, seed: int) -> "Canaries":
        """One canary for each feature, with a label from 0 to 9 and a coin, both from `seed`.

        >>> canaries = Canaries.lone_pixels(features=4, seed=1)
        >>> canaries.images[2], canaries.labels, canaries.included
        (tensor([0., 0., 1., 0.]), array([5, 3, 3, 6]), array([False, False,  True, False]))
        """
        labels = np.random.default_rng([seed, 1]).integers(CLASSES, size=features)
        return cls(torch.eye(features), labels, flip_coins(features, seed=seed))

    def added_to(self, images: Tensor, labels: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """The training data: `images` (n, features) and `labels` (n,), and the canaries that are in."""
        if images.shape[1:] != self.images.shape[1:]:
            message = _("Images of shape (n, {features}) were expected, but {shape} came.")
            raise ValueError(message.format(features=self.images.shape[1], shape=tuple(images.shape)))
        mixed = torch.cat([images, self.images[torch.from_numpy(self.included)]])
        return mixed, np.append(labels, self.labels[self.included])

    def margins(self, model: nn.Module) -> np.ndarray:
        """By how much `model` favours each canary's own label over the mean of all labels: shape (m,)."""
        with torch.no_grad():
            scores = model(self.images).numpy()
        return scores[np.arange(len(scores)), self.labels] - scores.mean(axis=1)


def train_without_noise(images: Tensor, labels: np.ndarray, *, learning_rate: float) -> nn.Linear:
    """The same linear model, trained the same way as under noise, but without any, and from zeros.

    >>> model = train_without_noise(torch.eye(2), np.array([1, 0]), learning_rate=4.0)
    >>> model(torch.eye(2)).argmax(dim=1)
    tensor([1, 0])
    """
    model = nn.Linear(images.shape[1], CLASSES, bias=False)
    nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    for _step in range(_STEPS):
        optimizer.zero_grad()
        functional.cross_entropy(model(images), torch.from_numpy(labels).long()).backward()
        optimizer.step()
    return model


def canary_scores(
    canaries: Canaries,
    images: Tensor,
    labels: np.ndarray,
    *,
    epsilon: float | None,
    delta: float,
    seed: int,
) -> np.ndarray:
    """Train on `images` (n, features), best of length 1, their `labels` (n,) and those canaries that are in.

    Returns for each canary how much more the model favours its label than a **reference** does, which learned
    from the images alone, without noise: float32 of shape (m,). An epsilon of None trains without noise, too.
    """
    mixed, mixed_labels = canaries.added_to(images, labels)
    # The loss is a mean over all images: with this rate, each digit moves the reference as far as the model.
    rate = _LEARNING_RATE * len(images) / len(mixed)
    reference = train_without_noise(images, labels, learning_rate=rate)
    if epsilon is None:
        model = train_without_noise(mixed, mixed_labels, learning_rate=_LEARNING_RATE)
    else:
        model = nn.Linear(mixed.shape[1], CLASSES, bias=False)
        batches = {"epochs": _STEPS, "batch_size": len(mixed), "learning_rate": _LEARNING_RATE}
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message="divide by zero encountered in log"
            )  # nobody is left out
            train_dp_sgd(model, mixed, mixed_labels, epsilon=epsilon, delta=delta, seed=seed, **batches)
    return canaries.margins(model) - canaries.margins(reference)
