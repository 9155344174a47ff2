"""How one teacher learns: any `torch.nn.Module`, from its own images, with a seed of its own.

Promises: the same network, images, labels, settings and seed give the same teacher on the same kind of
machine, in whatever process and beside however many others: everything random is drawn from torch's
generator, seeded for this teacher, and sums are made on one thread.
Leaves out: several devices for one teacher. The seed protects nobody; PATE's privacy is in its votes' noise.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from course_lib.i18n import _


@dataclass(frozen=True, kw_only=True)
class Training:
    """Settings of a teacher's training with Adam and cross-entropy.

    `views`: how often `Fixed` layers see each image before anything is learnt; an epoch goes over all views.
    `label_smoothing`: the share of a label that is spread over all classes. `decay`: whether the learning
    rate falls in a straight line to 0 or stays.

    >>> Training(epochs=10, batch_size=32, learning_rate=0.003).decay
    False
    """

    epochs: int
    batch_size: int
    learning_rate: float
    views: int = 1
    label_smoothing: float = 0.0
    decay: bool = False

    def __post_init__(self):
        for name in ("epochs", "batch_size", "views"):
            if getattr(self, name) < 1:
                raise ValueError(
                    _("Expected {name} to be at least 1, got {value}.").format(
                        name=name, value=getattr(self, name)
                    )
                )
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise ValueError(
                _("Expected a finite learning rate above 0, got {value}.").format(value=self.learning_rate)
            )
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(
                _("Expected label smoothing from 0 to below 1, got {value}.").format(
                    value=self.label_smoothing
                )
            )

    def rate(self, done: float) -> float:
        """The learning rate when that share of the steps is done, 0 to 1."""
        return self.learning_rate * (1 - done) if self.decay else self.learning_rate


class Fixed(nn.Sequential):
    """Layers that learn nothing, as the first part of an `nn.Sequential`: computed once, not in every epoch.

    Each image passes `views` times while training: where a layer is random, it is seen in as many ways.

    >>> network = nn.Sequential(Fixed(nn.Flatten()), nn.Linear(784, 10))
    >>> sum(weights.requires_grad for weights in Fixed(nn.Linear(2, 2)).parameters())
    0
    """

    def __init__(self, *layers: nn.Module):
        super().__init__(*layers)
        self.requires_grad_(False)


def split(network: nn.Module) -> tuple[nn.Module, nn.Module]:
    """What of `network` is fixed and what learns; nothing is fixed but a first part that is `Fixed`.

    >>> split(nn.Sequential(Fixed(nn.Flatten()), nn.Linear(784, 10)))[1]
    Sequential(
      (1): Linear(in_features=784, out_features=10, bias=True)
    )
    """
    if isinstance(network, nn.Sequential) and len(network) > 1 and isinstance(network[0], Fixed):
        return network[0], network[1:]
    return nn.Identity(), network


def as_input(images: np.ndarray) -> Tensor:
    """What a network gets for `images`: float32; bytes are divided by 255, and grey images get a channel.

    >>> as_input(np.full((5, 28, 28), 255, np.uint8)).shape
    torch.Size([5, 1, 28, 28])
    """
    tensor = torch.from_numpy(np.ascontiguousarray(images))
    tensor = tensor.float().div_(255) if tensor.dtype == torch.uint8 else tensor.float()
    return tensor.unsqueeze(1) if tensor.ndim == 3 else tensor


def seed_of(teacher: int, *, seed: int) -> int:
    """The seed of one teacher: as good as independent of all others'."""
    return int(np.random.SeedSequence([seed, teacher]).generate_state(1, np.uint64)[0])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's generator starts from `seed` and sums are made on one thread; afterwards all is as before."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def train(
    network: Callable[[], nn.Module], images: np.ndarray, labels: np.ndarray, *, training: Training, seed: int
) -> dict[str, Tensor]:
    """The state of a teacher trained on `images` with `labels`, on the processor.

    ValueError where training went out of bounds, and weights are no longer numbers.
    """
    with seeded(seed):
        teacher = prepared(network())
        inputs, targets = views_of(teacher, as_input(images), torch.from_numpy(labels).long(), training)
        _fixed, learning = split(teacher)
        learning.train()
        _learn(learning, inputs, targets, training)
    return finite(teacher.state_dict())


def prepared(network: nn.Module) -> nn.Module:
    """The same network with the weights of its convolutions laid out channels last, which is faster."""
    for weights in network.parameters():
        if weights.ndim == 4:  # `contiguous` would leave weights for one channel as they are
            own = weights.detach()
            weights.data = torch.empty_like(own, memory_format=torch.channels_last).copy_(own)
    return network


def views_of(
    network: nn.Module, inputs: Tensor, targets: Tensor, training: Training
) -> tuple[Tensor, Tensor]:
    """`inputs` after the fixed layers, `views` times one after another, and their labels."""
    fixed, _learning = split(network)
    fixed.train()
    with torch.no_grad():
        return torch.cat([fixed(inputs) for _view in range(training.views)]), targets.repeat(training.views)


def finite(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """`state`, or ValueError where it holds anything that is not a number."""
    if not all(bool(torch.isfinite(weights).all()) for weights in state.values()):
        raise ValueError(_("A teacher's weights grew beyond all bounds: choose a smaller learning rate."))
    return state


def _learn(learning: nn.Module, inputs: Tensor, targets: Tensor, training: Training) -> None:
    """Adam on batches of equal size (give or take one), in a new random order in each epoch."""
    weights = [each for each in learning.parameters() if each.requires_grad]
    optimizer = torch.optim.Adam(weights, lr=training.learning_rate, fused=True)
    batches = math.ceil(len(inputs) / training.batch_size)
    for epoch in range(training.epochs):
        for number, batch in enumerate(torch.randperm(len(inputs)).tensor_split(batches)):
            done = (epoch + number / batches) / training.epochs
            optimizer.param_groups[0]["lr"] = training.rate(done)
            scores = learning(inputs[batch])
            loss = functional.cross_entropy(scores, targets[batch], label_smoothing=training.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
