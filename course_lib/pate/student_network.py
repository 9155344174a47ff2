"""The student's network: a small convolutional network that learns from labels that it may doubt.

Promises: everything random is drawn from torch's generator, seeded by the caller, so that the same images,
labels and seed give the same student on one machine with as many threads. Images are straightened first and
bent at random while it learns.
Leaves out: any privacy of what it is trained on. It learns from public images and from answers that were
paid for; whoever holds it may publish it.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from course_lib.i18n import _
from course_lib.pate.digit_layers import Bend

_CHUNK = 500
_FEATURES = 64


class StudentNetwork(nn.Module):
    """Scores (n, classes) of upright images (n, 1, side, side); `features` (n, 64) is what they rest on."""

    def __init__(self, classes: int, *, side: int = 28):
        super().__init__()
        pixels = math.ceil(side / 8) ** 2
        self.body = nn.Sequential(
            *_convolution(1, 32, kernel=5),
            *_convolution(32, 64, kernel=3),
            *_convolution(64, 128, kernel=3),
            nn.Flatten(),
            nn.Linear(128 * pixels, _FEATURES, bias=False),
            nn.BatchNorm1d(_FEATURES),
        ).to(memory_format=torch.channels_last)
        self.head = nn.Sequential(nn.ReLU(), nn.Dropout(0.3), nn.Linear(_FEATURES, classes))
        self.side = side

    def features(self, upright: Tensor) -> Tensor:
        """Features of length 1, (n, 64): images that the network takes for alike have similar ones."""
        return functional.normalize(self.body(upright), dim=1)

    def forward(self, upright: Tensor) -> Tensor:
        """Scores, (n, classes)."""
        return self.head(self.body(upright))

    def with_classes(self, classes: int) -> "StudentNetwork":
        """A network for other classes that goes on with what this one knows of images."""
        other = StudentNetwork(classes, side=self.side)
        other.body.load_state_dict(self.body.state_dict())
        return other


def _convolution(channels: int, filters: int, *, kernel: int) -> list[nn.Module]:
    """Halves height and width."""
    return [
        nn.Conv2d(channels, filters, kernel, stride=2, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(filters),
        nn.ReLU(),
    ]


def learn(
    network: StudentNetwork,
    upright: Tensor,
    labels: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    steps: int,
    learning_rate: float = 3e-3,
    batch_size: int = 128,
    after_step: Callable[[], object] = lambda: None,
) -> StudentNetwork:
    """`network` trained on `upright` images (n, 1, side, side) and int `labels` (n,).

    `weights` (n,): how much each image counts; None: all alike. `after_step` is called after each step.
    ValueError where all weights are 0.
    """
    weights = np.ones(len(labels)) if weights is None else weights
    if not weights.sum() > 0:
        message = _("Expected an image that counts, got {images} without weight.")
        raise ValueError(message.format(images=len(labels)))
    targets, counts = torch.from_numpy(labels), torch.from_numpy(weights / weights.mean()).float()
    bend = Bend(network.side).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=0.2)
    network.train()
    for batch in _batches(len(labels), batch_size, steps):
        scores = network(bend(upright[batch]))
        losses = functional.cross_entropy(scores, targets[batch], reduction="none")
        optimizer.zero_grad()
        (losses * counts[batch]).mean().backward()
        optimizer.step()
        schedule.step()
        after_step()
    return network.eval()


def _batches(images: int, batch_size: int, steps: int) -> Iterator[Tensor]:
    """That many batches; each image is seen about equally often, in a new random order each time."""
    waiting = torch.empty(0, dtype=torch.int64)
    for _step in range(steps):
        while len(waiting) < batch_size:
            waiting = torch.cat([waiting, torch.randperm(images)])
        yield waiting[:batch_size]
        waiting = waiting[batch_size:]


@torch.inference_mode()
def probabilities(network: StudentNetwork, upright: Tensor) -> np.ndarray:
    """Probabilities of the classes, float32 (n, classes)."""
    network.eval()
    return torch.cat([network(chunk).softmax(dim=1) for chunk in upright.split(_CHUNK)]).numpy()


@torch.inference_mode()
def features(network: StudentNetwork, upright: Tensor) -> np.ndarray:
    """The features that the scores rest on, float32 (n, 64)."""
    network.eval()
    return torch.cat([network.features(chunk) for chunk in upright.split(_CHUNK)]).numpy()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's generator starts from `seed`, and afterwards is as it was before."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
