"""The models that are attacked: many small networks that learn at once, each from its own half of the images.

Promises: the same images, members, training and seed give the same networks on one kind of machine; no
network's training depends on another's. A membership attack needs dozens of models that differ in nothing but
their training data, so all of them lie in one tensor and every step multiplies all of them (`torch.bmm`): for
networks this small that is many times faster than one after the other.
Leaves out: networks that learn from unequally many images, and anything larger than one hidden layer.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from tqdm.auto import tqdm

from course_lib.i18n import _

SIDE = 14
CLASSES = 10
_CHUNK = 500  # images at a time, when all networks answer


@dataclass(frozen=True, kw_only=True)
class Training:
    """How each of the networks learns, with AdamW and cross-entropy.

    `weight_decay` pulls weights towards zero: by `learning_rate * weight_decay` of their size in each step.

    >>> Training(epochs=30).hidden
    64
    """

    epochs: int
    batch_size: int = 50
    learning_rate: float = 3e-3
    weight_decay: float = 0.0
    hidden: int = 64


def small_images(images: np.ndarray) -> np.ndarray:
    """MNIST's `images`, uint8 (n, 28, 28), at half the width and height: float32 (n, 196), from 0 to 1.

    >>> small_images(np.full((3, 28, 28), 255, np.uint8)).shape
    (3, 196)
    """
    if images.dtype != np.uint8 or images.shape[1:] != (2 * SIDE, 2 * SIDE):
        message = _("Expected uint8 images of shape (n, 28, 28), got {dtype} of shape {shape}.")
        raise ValueError(message.format(dtype=images.dtype, shape=images.shape))
    blocks = images.reshape(-1, SIDE, 2, SIDE, 2).mean(axis=(2, 4), dtype=np.float32)
    return blocks.reshape(-1, SIDE * SIDE) / np.float32(255)


def random_halves(candidates: int, *, models: int, seed: int) -> np.ndarray:
    """Who is in whose training data: bool (models, candidates), each row a random half, exactly.

    >>> random_halves(6, models=3, seed=0).sum(axis=1)
    array([3, 3, 3])
    """
    if candidates < 2 or candidates % 2:
        message = _("Expected an even number of candidates, at least 2, got {candidates}.")
        raise ValueError(message.format(candidates=candidates))
    half = np.arange(candidates) < candidates // 2
    random = np.random.default_rng(seed)
    return np.array([random.permutation(half) for _model in range(models)])


@dataclass(frozen=True)
class Networks:
    """Networks with one hidden layer, all in one: `weights` hold their number as the first axis.

    Shapes: (models, features, hidden), (models, 1, hidden), (models, hidden, classes), (models, 1, classes).
    """

    weights: tuple[Tensor, Tensor, Tensor, Tensor]

    @classmethod
    def new(cls, models: int, *, features: int, hidden: int, generator: torch.Generator) -> "Networks":
        """Networks that have learnt nothing yet; each has its own random start."""
        first = torch.randn(models, features, hidden, generator=generator) * (2 / features) ** 0.5
        second = torch.randn(models, hidden, CLASSES, generator=generator) * (1 / hidden) ** 0.5
        return cls((first, torch.zeros(models, 1, hidden), second, torch.zeros(models, 1, CLASSES)))

    def __call__(self, inputs: Tensor) -> Tensor:
        """The scores of each network for its own `inputs`: (models, n, features) to (models, n, classes)."""
        first, first_bias, second, second_bias = self.weights
        hidden = torch.relu(torch.baddbmm(first_bias, inputs, first))
        return torch.baddbmm(second_bias, hidden, second)

    def scores(self, images: np.ndarray) -> np.ndarray:
        """The scores (logits) of every network for the same `images`: float32 (models, n, classes)."""
        return torch.cat(list(self._parts(images)), dim=1).numpy()

    def predict(self, images: np.ndarray) -> np.ndarray:
        """The class that every network gives each of the same `images`: int8 (models, n)."""
        return torch.cat([part.argmax(dim=2).to(torch.int8) for part in self._parts(images)], dim=1).numpy()

    @torch.no_grad()
    def _parts(self, images: np.ndarray) -> Iterator[Tensor]:
        models = len(self.weights[0])
        for part in torch.from_numpy(images).split(_CHUNK):
            yield self(part.expand(models, -1, -1))


def train_together(
    images: np.ndarray,
    labels: np.ndarray,
    members: np.ndarray,
    *,
    training: Training,
    seed: int,
    progress: bool = True,
) -> Networks:
    """One network for each row of `members`, trained on the images that its row marks, and on no other.

    `images`: float32 (n, features); `labels`: integers (n,), 0 to 9; `members`: bool (models, n), equally
    many in each row. Raises ValueError for other shapes, for rows of unequal size, and for none.
    """
    own = _own_images(images, labels, members)
    inputs, targets = torch.from_numpy(images), torch.from_numpy(labels).long()
    generator = torch.Generator().manual_seed(seed)
    networks = Networks.new(len(own), features=images.shape[1], hidden=training.hidden, generator=generator)
    for weights in networks.weights:
        weights.requires_grad_()
    optimizer = torch.optim.AdamW(
        networks.weights, lr=training.learning_rate, weight_decay=training.weight_decay, fused=True
    )
    for _epoch in tqdm(range(training.epochs), desc=_("Epochs"), disable=not progress):
        order = own.gather(1, torch.rand(own.shape, generator=generator).argsort(dim=1))
        for batch in order.split(training.batch_size, dim=1):
            scores = networks(inputs[batch]).flatten(0, 1)
            # The sum over networks: the gradient of each one's loss reaches its own weights alone.
            loss = functional.cross_entropy(scores, targets[batch].flatten(), reduction="sum")
            optimizer.zero_grad()
            (loss / batch.shape[1]).backward()
            optimizer.step()
    return Networks(tuple(weights.detach() for weights in networks.weights))


def _own_images(images: np.ndarray, labels: np.ndarray, members: np.ndarray) -> Tensor:
    """The numbers of each network's own images, int64 (models, own)."""
    if images.ndim != 2 or labels.shape != (len(images),) or members.shape[1:] != (len(images),):
        message = _(
            "Expected images (n, features), labels (n,) and members (models, n), got shapes {images}, "
            "{labels} and {members}."
        )
        raise ValueError(message.format(images=images.shape, labels=labels.shape, members=members.shape))
    counts = members.sum(axis=1)
    if len(counts) == 0 or counts.min() != counts.max() or counts[0] == 0:
        message = _("Expected equally many training images for each model, at least one, got {counts}.")
        raise ValueError(message.format(counts=sorted(set(counts.tolist()))))
    return torch.from_numpy(members.nonzero()[1].reshape(len(members), -1))
