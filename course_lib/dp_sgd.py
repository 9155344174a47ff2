"""DP-SGD: training on private examples under noise, with Opacus.

Promises: the model is (epsilon, delta)-private for each single example that is added or removed; replacing
one costs about twice that epsilon. Each example is in a batch by a coin of its own (Poisson sampling), as
the accounting assumes. Leaves out: noise that protects anyone. It comes from the seed, so that a learner
gets the same numbers, and whoever knows the seed can take it away; Opacus has `secure_mode` for the other.

Source: Abadi et al. 2016, "Deep Learning with Differential Privacy", arXiv 1607.00133; Opacus 1.6.0.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from opacus import PrivacyEngine
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from course_lib.i18n import _

_CHUNK = 1000


@dataclass(frozen=True)
class PublicScaling:
    """Inputs centred, stretched alike in all directions, and brought to length 1, by what public ones say.

    Gradients are cut to one length, whichever direction they have: so no direction should be longer
    than others from the start. `kept` directions stay, those in which public inputs differ most.

    >>> public = torch.tensor([[0.0, 0.0], [10.0, 0.1], [0.0, 0.1], [10.0, 0.0]])
    >>> PublicScaling.of(public, kept=2)(public).abs().round(decimals=1)
    tensor([[0.7000, 0.7000],
            [0.7000, 0.7000],
            [0.7000, 0.7000],
            [0.7000, 0.7000]])
    """

    centre: Tensor
    directions: Tensor

    @classmethod
    def of(cls, public: Tensor, *, kept: int = 100) -> "PublicScaling":
        """Learn it from `public` inputs, float32 of shape (n, features)."""
        variances, axes = torch.linalg.eigh(torch.cov(public.T))  # in rising order
        floor = variances[-1] * 1e-6
        return cls(public.mean(dim=0), axes[:, -kept:] / (variances[-kept:].clamp(min=0) + floor).sqrt())

    def __call__(self, inputs: Tensor) -> Tensor:
        """The scaled inputs, float32 of shape (n, kept)."""
        return functional.normalize((inputs - self.centre) @ self.directions)


def fixed_features(layers: nn.Module, images: Tensor) -> Tensor:
    """What `layers` that learn nothing say about `images`, computed in parts: float32 of shape (n, features).

    >>> fixed_features(nn.Flatten(), torch.zeros(2500, 1, 4, 4)).shape
    torch.Size([2500, 16])
    """
    with torch.no_grad():
        return torch.cat([layers(chunk) for chunk in images.split(_CHUNK)])


def train_dp_sgd(
    model: nn.Module,
    inputs: Tensor,
    labels: np.ndarray,
    *,
    epsilon: float,
    delta: float,
    seed: int,
    epochs: int = 10,
    batch_size: int = 2500,
    learning_rate: float = 30.0,
    max_grad_norm: float = 1.0,
) -> float:
    """Train `model` on private `inputs` (n, ...) and `labels` (n,); return the ε that Opacus states.

    It is at most `epsilon`. Each example's gradient is cut to length `max_grad_norm` before a batch is added
    up. Raises ValueError for an epsilon or delta that promises nothing, and for unequal lengths.
    """
    if not (epsilon > 0 and 0 < delta < 1):
        message = _("epsilon must be above 0 and delta between 0 and 1, but {epsilon} and {delta} came.")
        raise ValueError(message.format(epsilon=epsilon, delta=delta))
    if len(inputs) != len(labels):
        message = _("Each input needs one label, but {inputs} inputs and {labels} labels came.")
        raise ValueError(message.format(inputs=len(inputs), labels=len(labels)))
    data = DataLoader(_Rows(inputs, torch.from_numpy(labels).long()), batch_size=batch_size, collate_fn=list)
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Secure RNG turned off")  # said above, and in the lesson
        warnings.filterwarnings("ignore", message="Optimal order is the largest alpha")  # of its first guess
        warnings.filterwarnings("ignore", message="Full backward hook is firing")  # inputs need no gradient
        torch.manual_seed(seed)
        for module in model.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        engine = PrivacyEngine(accountant="prv", secure_mode=False)
        private, optimizer, batches = engine.make_private_with_epsilon(
            module=model,
            optimizer=torch.optim.SGD(model.parameters(), lr=learning_rate),
            data_loader=data,
            target_epsilon=epsilon,
            target_delta=delta,
            epochs=epochs,
            max_grad_norm=max_grad_norm,
            poisson_sampling=True,
        )
        for _epoch in range(epochs):
            for some_inputs, some_labels in batches:
                optimizer.zero_grad()
                functional.cross_entropy(private(some_inputs), some_labels).backward()
                optimizer.step()
        private.remove_hooks()
        return float(engine.get_epsilon(delta))


class _Rows(TensorDataset):
    """Takes a whole batch at once, not example by example."""

    def __getitems__(self, rows: list[int]) -> list[Tensor]:
        return [tensor[rows] for tensor in self.tensors]
