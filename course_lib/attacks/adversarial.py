"""Adversarial examples: a change that no person minds, and the model answers something else.

Promises: no pixel moves by more than `epsilon`, and each stays in [0, 1]; a white-box attacker, who has the
model and its gradients. Leaves out: attackers who only see answers, other ways to measure a change, and
defences; accuracy under these two attacks is an upper bound on what the model withstands, no proof.

Sources: Goodfellow, Shlens and Szegedy 2015, "Explaining and Harnessing Adversarial Examples", arXiv
1412.6572 (FGSM); Madry et al. 2018, "Towards Deep Learning Models Resistant to Adversarial Attacks", arXiv
1706.06083 (PGD).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from course_lib.i18n import _

#: From images, float32 of shape (n, ...), to the scores before the softmax, float32 of shape (n, classes).
Model = Callable[[Tensor], Tensor]


def fgsm(model: Model, images: Tensor, labels: Tensor, *, epsilon: float) -> Tensor:
    """One step of length `epsilon` in every pixel, the way the loss rises (fast gradient sign method).

    `images` are float32 in [0, 1], shape (n, ...); `labels` int64, shape (n,); the result is like `images`.
    Raises ValueError for an epsilon outside [0, 1], and for unequal lengths.

    >>> model = lambda images: images @ torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    >>> fgsm(model, torch.tensor([[0.6, 0.5]]), torch.tensor([0]), epsilon=0.1)
    tensor([[0.5000, 0.6000]])
    """
    _check(images, labels, epsilon)
    return (images + epsilon * _loss_gradient(model, images, labels).sign()).clamp(0, 1)


def pgd(
    model: Model,
    images: Tensor,
    labels: Tensor,
    *,
    epsilon: float,
    steps: int = 10,
    step_size: float | None = None,
    seed: int | None = None,
) -> Tensor:
    """Many small steps like `fgsm`'s, each cut back to at most `epsilon` from the image (projected gradient).

    `step_size` is 2.5 epsilon / steps if None, so that a path can turn. With a `seed` it starts at a random
    place within epsilon, else at the image. Shapes and errors are those of `fgsm`; steps below 1 is one more.

    >>> model = lambda images: images @ torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    >>> pgd(model, torch.tensor([[0.6, 0.5]]), torch.tensor([0]), epsilon=0.1)
    tensor([[0.5000, 0.6000]])
    """
    _check(images, labels, epsilon)
    if steps < 1:
        raise ValueError(_("At least one step was expected, but steps={steps} came.").format(steps=steps))
    step_size = 2.5 * epsilon / steps if step_size is None else step_size
    changed = images
    if seed is not None:
        start = torch.rand(images.shape, generator=torch.Generator().manual_seed(seed))
        changed = (images + epsilon * (2 * start - 1)).clamp(0, 1)
    for _step in range(steps):
        changed = changed + step_size * _loss_gradient(model, changed, labels).sign()
        changed = (images + (changed - images).clamp(-epsilon, epsilon)).clamp(0, 1)
    return changed


def accuracy_under(
    attack: Callable[..., Tensor],
    model: Model,
    images: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    **options,
) -> list[float]:
    """The share of `images` that `model` still gets right under `attack` (`fgsm`, `pgd`), for each epsilon.

    >>> model = lambda images: images @ torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    >>> images, labels = torch.tensor([[0.6, 0.5], [0.1, 0.9]]), torch.tensor([0, 1])
    >>> accuracy_under(fgsm, model, images, labels, epsilons=[0.0, 0.1, 0.5])
    [1.0, 0.5, 0.0]
    """
    shares = []
    for epsilon in epsilons:
        changed = attack(model, images, labels, epsilon=epsilon, **options)
        with torch.no_grad():
            shares.append(float((model(changed).argmax(dim=1) == labels).float().mean()))
    return shares


def _loss_gradient(model: Model, images: Tensor, labels: Tensor) -> Tensor:
    """How the loss of each image changes with each of its pixels."""
    images = images.detach().requires_grad_(True)
    loss = functional.cross_entropy(model(images), labels, reduction="sum")
    return torch.autograd.grad(loss, images)[0]


def _check(images: Tensor, labels: Tensor, epsilon: float) -> None:
    if not 0 <= epsilon <= 1:
        message = _("epsilon is in units of a pixel between 0 and 1, but {epsilon} came.")
        raise ValueError(message.format(epsilon=epsilon))
    if len(images) != len(labels):
        message = _("Each image needs one label, but {images} images and {labels} labels came.")
        raise ValueError(message.format(images=len(images), labels=len(labels)))
