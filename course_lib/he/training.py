"""Training a network with its encrypted evaluation in mind: squares for activations, nothing else to compute.

Promises a network of plain multiplications and additions: batch normalisation, which keeps squares from
growing without bound while it learns, is folded into the weights at the end. Leaves out private training: the
images are seen in the open here.
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from course_lib.he.image_packing import NetworkShape
from course_lib.he.network import Network
from course_lib.i18n import _

BATCH = 256
LEARNING_RATE = 0.01
LABEL_SMOOTHING = 0.1
AVERAGE_OVER = 200  # steps, about


class Square(nn.Module):
    """x * x: what an encrypted network has in a ReLU's place."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * x


def square_network(shape: NetworkShape) -> nn.Sequential:
    """The network as PyTorch trains it, for images (batch, 1, image, image).

    >>> sum(isinstance(layer, Square) for layer in square_network(NetworkShape()))
    2
    """
    return nn.Sequential(
        nn.Conv2d(1, shape.maps, shape.kernel, shape.stride, shape.padding, bias=False),
        nn.BatchNorm2d(shape.maps),
        Square(),
        nn.Flatten(),
        nn.Linear(shape.maps * shape.side**2, shape.hidden, bias=False),
        nn.BatchNorm1d(shape.hidden),
        Square(),
        nn.Linear(shape.hidden, shape.classes),
    )


def distorted(images: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Every second image turned, stretched, slanted and moved a little, as by another hand.

    The others stay as they are: what distorts an image also blurs it, and squares would notice.
    """
    half = images[::2]

    def between(limit: float) -> torch.Tensor:
        return (2 * torch.rand(len(half), generator=random) - 1) * limit

    angle, wide, high = between(0.2), between(0.12).exp(), between(0.12).exp()
    slant, right, down = between(0.2), between(1 / 7), between(1 / 7)
    across = torch.stack([angle.cos() * wide, slant - angle.sin() * wide, right], dim=1)
    along = torch.stack([angle.sin() * high, angle.cos() * high, down], dim=1)
    grid = F.affine_grid(torch.stack([across, along], dim=1), half.shape, align_corners=False)
    images = images.clone()
    images[::2] = F.grid_sample(half, grid, align_corners=False)
    return images


def train_network(
    images: np.ndarray, labels: np.ndarray, *, shape: NetworkShape, epochs: int, seed: int
) -> Network:
    """A network for images (count, image, image) with values in [0, 1] and labels (count,), integers.

    The weights are averaged over the last steps. The same seed gives the same network on the same machine.
    """
    torch.manual_seed(seed)
    random = torch.Generator().manual_seed(seed)
    inputs = torch.as_tensor(np.asarray(images, np.float32))[:, None]
    targets = torch.as_tensor(np.asarray(labels, np.int64))
    model = square_network(shape)
    average = AveragedModel(model, multi_avg_fn=_towards, use_buffers=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=1e-4)
    steps = len(inputs) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=epochs * steps, pct_start=0.2
    )
    for _epoch in tqdm(range(epochs), desc=_("epochs"), file=sys.stdout):
        for batch in torch.randperm(len(inputs), generator=random)[: steps * BATCH].reshape(steps, BATCH):
            guesses = model(distorted(inputs[batch], random))
            loss = F.cross_entropy(guesses, targets[batch], label_smoothing=LABEL_SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            average.update_parameters(model)
    return folded(average.module.eval(), shape)


def _towards(averages: list[torch.Tensor], currents: list[torch.Tensor], steps: int) -> None:
    """Move each average towards the current value: quickly at first, then by 1 / AVERAGE_OVER a step."""
    share = max(1 / AVERAGE_OVER, 10 / (10 + int(steps)))
    for average, current in zip(averages, currents, strict=True):
        if average.is_floating_point():
            average.lerp_(current, share)
        else:
            average.copy_(current)


def folded(model: nn.Sequential, shape: NetworkShape) -> Network:
    """The trained network with each batch normalisation inside the weights before it.

    >>> shape = NetworkShape()
    >>> model = square_network(shape).eval()
    >>> image = np.random.default_rng(0).random((28, 28)).astype(np.float32)
    >>> expected = model(torch.as_tensor(image)[None, None]).detach().numpy()[0]
    >>> bool(np.allclose(folded(model, shape).scores(image), expected, atol=1e-4))
    True
    """
    convolution, norm, _square, _flatten, hidden, hidden_norm, _square, dense = model
    kernels, kernel_constants = _folded(convolution, norm)
    hidden_weights, hidden_constants = _folded(hidden, hidden_norm)
    weights, constants = (array.detach().double().numpy() for array in (dense.weight, dense.bias))
    return Network(
        shape, kernels[:, 0], kernel_constants, hidden_weights, hidden_constants, weights, constants
    )


def _folded(layer: nn.Module, norm: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    """The weights, and the constants, that do what a layer and its batch normalisation do."""
    factor = norm.weight / (norm.running_var + norm.eps).sqrt()
    weights = layer.weight * factor.reshape(-1, *[1] * (layer.weight.ndim - 1))
    constants = norm.bias - norm.running_mean * factor
    return weights.detach().double().numpy(), constants.detach().double().numpy()
