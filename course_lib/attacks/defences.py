"""Defences, to be measured with the same attacks: answers that say less, and training under noise.

Promises: `rounded` and `label_only` change answers and no model; whoever asks gets nothing finer.
`train_privately`, with the noise that `noise_multiplier` names, makes models that are each (epsilon,
delta)-private for one image added or removed, with Opacus's per-image gradients. Every batch holds all
images, so that no luck of the draw enters the accounting: it is that of the Gaussian mechanism, repeated.
Leaves out: noise that protects anyone. It comes from a seed, so that a learner gets the same numbers.
Regularisation needs nothing from here (`targets.Training`).

Source: Abadi et al. 2016, "Deep Learning with Differential Privacy"; Opacus 1.6.0.
"""

import warnings

import numpy as np
import torch
from opacus.accountants.utils import get_noise_multiplier
from opacus.grad_sample import GradSampleModule
from opacus.optimizers import DPOptimizer
from scipy.special import softmax
from torch import nn
from torch.nn import functional
from tqdm.auto import tqdm

from course_lib.attacks.targets import CLASSES
from course_lib.i18n import _

#: What a rounded confidence of 0 or 1 is taken for by whoever needs its logarithm.
_SMALLEST = 1e-3


def rounded(answers: np.ndarray, *, decimals: int) -> np.ndarray:
    """Scores whose confidences are those of `answers` (..., classes), rounded to `decimals` places.

    An attacker has to guess what lies behind a rounded 0; here it counts as one thousandth.

    >>> np.exp(rounded(np.log([[0.83, 0.13, 0.04]]), decimals=1)).round(3)
    array([[0.8  , 0.1  , 0.001]])
    """
    return np.log(np.maximum(softmax(answers, axis=-1).round(decimals), _SMALLEST))


def label_only(answers: np.ndarray) -> np.ndarray:
    """Scores that tell nothing but which class is the most probable one.

    >>> label_only(np.log([[0.83, 0.13, 0.04]])).argmax()
    0
    """
    top = answers.argmax(axis=-1)[..., np.newaxis]
    return np.where(np.arange(answers.shape[-1]) == top, 0.0, np.log(_SMALLEST))


def noise_multiplier(*, epsilon: float, delta: float, steps: int) -> float:
    """How many times the longest gradient the noise of each of `steps` full batches must measure.

    Raises ValueError for an epsilon or delta that promises nothing.

    >>> 3.2 < noise_multiplier(epsilon=8.0, delta=1e-5, steps=30) < 3.4
    True
    """
    if not (epsilon > 0 and 0 < delta < 1):
        message = _("epsilon must be above 0 and delta between 0 and 1, but {epsilon} and {delta} came.")
        raise ValueError(message.format(epsilon=epsilon, delta=delta))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Optimal order is the largest alpha")  # of its first guess
        warnings.filterwarnings("ignore", message="divide by zero encountered in log")  # nobody is left out
        return get_noise_multiplier(
            target_epsilon=epsilon, target_delta=delta, sample_rate=1.0, steps=steps, accountant="prv"
        )


def train_privately(
    images: np.ndarray,
    labels: np.ndarray,
    members: np.ndarray,
    *,
    noise: float,
    steps: int,
    seed: int,
    learning_rate: float = 8.0,
    progress: bool = True,
) -> list[nn.Linear]:
    """One linear model for each row of `members`, trained with DP-SGD on the images that its row marks.

    `images`: float32 (n, features), best of length 1 (`course_lib.dp_sgd.PublicScaling`); `labels`: integers
    (n,), 0 to 9; `members`: bool (models, n); `noise`: what `noise_multiplier` says for as many `steps`, or 0
    for no promise at all.
    """
    inputs, targets = torch.from_numpy(images), torch.from_numpy(labels).long()
    generator, models = torch.Generator().manual_seed(seed), []
    for row in tqdm(torch.from_numpy(members), desc="DP-SGD", disable=not progress):
        model = nn.Linear(images.shape[1], CLASSES)
        for weights in model.parameters():
            nn.init.zeros_(weights)
        _descend(model, inputs[row], targets[row], noise, steps, learning_rate, generator)
        models.append(model)
    return models


def _descend(
    model: nn.Linear,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    noise: float,
    steps: int,
    learning_rate: float,
    generator: torch.Generator,
) -> None:
    """Train `model` in place: each image's gradient is cut to length 1, and noise is added to their sum."""
    private = GradSampleModule(model)
    optimizer = DPOptimizer(
        torch.optim.SGD(model.parameters(), lr=learning_rate),
        noise_multiplier=noise,
        max_grad_norm=1.0,
        expected_batch_size=len(inputs),
        generator=generator,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Full backward hook is firing")  # inputs need no gradient
        for _step in range(steps):
            optimizer.zero_grad()
            functional.cross_entropy(private(inputs), targets).backward()
            optimizer.step()
    private.remove_hooks()


def scores_of(models: list[nn.Linear], images: np.ndarray) -> np.ndarray:
    """The scores (logits) of every model for the same `images`: float32 (models, n, classes)."""
    with torch.no_grad():
        return torch.stack([model(torch.from_numpy(images)) for model in models]).numpy()
