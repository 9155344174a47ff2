"""Many teachers at once, for a graphics processor: one step of all teachers is one step of a taller network.

Their weights are stacked, and `torch.func.vmap` runs the network over the stack. On the main processor this
gains little for dense layers and loses with convolutions; there `course_lib.pate.training.train`, many times
in parallel, is the better way.

Promises: each teacher starts from the weights that it would have alone, and sees its own images only.
Leaves out: networks that look at their values to decide what to do; `vmap` says so. Dropout and the order of
the images are drawn for all teachers from one generator: the same seeds give the same teachers only with the
same company. A teacher with fewer images than the longest part sees some of its own more often.
"""

import copy
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional

from course_lib.pate.training import Training, as_input, finite, seeded, split, views_of


def train_together(
    network: Callable[[], nn.Module],
    images: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    *,
    training: Training,
    seeds: Sequence[int],
    device: str,
) -> list[dict[str, Tensor]]:
    """The states of as many teachers as there are `images`, `labels` and `seeds`, trained on `device`.

    ValueError where training went out of bounds, as for one teacher alone.
    """
    teachers, inputs, targets = [], [], []
    longest = max(map(len, images))
    for own_images, own_labels, seed in zip(images, labels, seeds, strict=True):
        with seeded(seed):
            teacher = network().to(device)
            seen = views_of(
                teacher,
                as_input(own_images).to(device),
                torch.from_numpy(own_labels).long().to(device),
                training,
            )
        rows = torch.arange(longest * training.views, device=device) % len(seen[1])
        teachers.append(teacher)
        inputs.append(seen[0][rows])
        targets.append(seen[1][rows])
    with seeded(seeds[0]):
        _learn(
            [split(teacher)[1] for teacher in teachers], torch.stack(inputs), torch.stack(targets), training
        )
    return [
        finite({name: weights.cpu() for name, weights in teacher.state_dict().items()})
        for teacher in teachers
    ]


def _learn(networks: list[nn.Module], inputs: Tensor, targets: Tensor, training: Training) -> None:
    """Adam on the stack of all `networks`; `inputs` has shape (teachers, examples, ...)."""
    weights, buffers = stack_module_state([each.train() for each in networks])
    pattern = copy.deepcopy(networks[0]).to("meta")

    def loss_of_one(weights, buffers, inputs, targets):
        scores = functional_call(pattern, (weights, buffers), (inputs,))
        return functional.cross_entropy(scores, targets, label_smoothing=training.label_smoothing)

    losses = vmap(loss_of_one, randomness="different")
    optimizer = torch.optim.Adam(
        [each for each in weights.values() if each.requires_grad], lr=training.learning_rate, fused=True
    )
    rows = torch.arange(len(networks), device=inputs.device)[:, None]
    batches = math.ceil(inputs.shape[1] / training.batch_size)
    for epoch in range(training.epochs):
        order = torch.rand(targets.shape, device=inputs.device).argsort(dim=1)
        for number, batch in enumerate(order.tensor_split(batches, dim=1)):
            optimizer.param_groups[0]["lr"] = training.rate((epoch + number / batches) / training.epochs)
            loss = losses(weights, buffers, inputs[rows, batch], targets[rows, batch]).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        for name, stacked in {**weights, **buffers}.items():
            for network, own in zip(networks, stacked, strict=True):
                network.get_parameter(name).copy_(own) if name in weights else network.get_buffer(name).copy_(
                    own
                )
