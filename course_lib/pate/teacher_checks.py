"""What teachers may be given: images, labels, and parts that share nothing.

Promises a ValueError with one sentence of what was expected and what came, before any training begins; what a
network says that can't take the images is passed on. Leaves out whether labels are right, and whether all
images of a person lie in one part: whoever makes the parts has to see to that.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from course_lib.i18n import _
from course_lib.pate.training import as_input, seeded


def check_examples(
    network: Callable, images: np.ndarray, labels: np.ndarray, parts: Sequence, seed: int
) -> None:
    """Raise ValueError where these can't make teachers; the arguments are those of `train_teachers`."""
    if len(images) != len(labels):
        raise ValueError(
            _("Expected a label for each image, got {images} images and {labels} labels.").format(
                images=len(images), labels=len(labels)
            )
        )
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            _(
                "Expected labels that are whole numbers, one for each image, got {dtype} of shape {shape}."
            ).format(dtype=labels.dtype, shape=labels.shape)
        )
    if seed < 0:
        raise ValueError(_("Expected a seed of 0 or more, got {seed}.").format(seed=seed))
    check_images(images)
    _check_parts(parts, len(images))
    check_labels(labels, _classes(network, images))


def check_images(images: np.ndarray) -> None:
    """Raise ValueError where `images`, of any shape, are not made of finite numbers.

    >>> check_images(np.array([0.5, np.nan]))
    Traceback (most recent call last):
    ValueError: Expected finite pixels, got 1 that are NaN or infinite.
    """
    if images.dtype.kind not in "uif":
        raise ValueError(_("Expected images made of numbers, got {dtype}.").format(dtype=images.dtype))
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        bad = int((~np.isfinite(images)).sum())
        raise ValueError(_("Expected finite pixels, got {bad} that are NaN or infinite.").format(bad=bad))


def _check_parts(parts: Sequence[np.ndarray], examples: int) -> None:
    if len(parts) > examples:
        raise ValueError(
            _("Expected at most as many teachers as images, got {teachers} teachers for {images}.").format(
                teachers=len(parts), images=examples
            )
        )
    if len(parts) == 0 or min(map(len, parts)) == 0:
        raise ValueError(_("Expected at least one teacher, and at least one image for each."))
    every = np.concatenate(parts)
    if not np.issubdtype(every.dtype, np.integer):
        raise ValueError(_("Expected parts made of whole numbers, got {dtype}.").format(dtype=every.dtype))
    if every.min() < 0 or every.max() >= examples:
        raise ValueError(
            _("Expected parts made of the numbers 0 to {last}, got {least} to {most}.").format(
                last=examples - 1, least=every.min(), most=every.max()
            )
        )
    shared = len(every) - len(np.unique(every))
    if shared:
        raise ValueError(
            _("Expected each image in one part only, and once, got {shared} repeated ones.").format(
                shared=shared
            )
        )


def check_labels(labels: np.ndarray, classes: int) -> None:
    """Raise ValueError for a label outside 0 to `classes` - 1; `labels` are int, of any shape.

    >>> check_labels(np.array([0, 1, 2]), 2)
    Traceback (most recent call last):
    ValueError: Expected labels from 0 to 1, got 2.
    """
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise ValueError(
            _("Expected labels from 0 to {last}, got {wrong}.").format(last=classes - 1, wrong=wrong)
        )


def _classes(network: Callable[[], nn.Module], images: np.ndarray) -> int:
    """How many scores the network gives for one image."""
    with seeded(0), torch.inference_mode():
        scores = network().eval()(as_input(images[:1]))
    if scores.ndim != 2 or len(scores) != 1:
        raise ValueError(
            _("Expected the network's scores of one image to have shape (1, classes), got {shape}.").format(
                shape=tuple(scores.shape)
            )
        )
    return scores.shape[1]
