"""What makes two public images alike, found without any label.

Promises: features in which images of one class are near each other. `stroke_features` is fixed: it says
where strokes run in which direction. `self_taught` starts from there and learns on its own: it sorts images
into many small clusters, and trains a network to tell the cluster of an image that was bent at random. To do
that, the network must learn what bending does not change.
Assumes dark writing on empty paper, as `digit_layers` does. On other square images it runs, but what it
learns may have little to do with classes.

Source of learning from clusters: Caron et al. 2018, "Deep Clustering for Unsupervised Learning of Visual
Features".
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from torch import Tensor
from torch.nn import functional

from course_lib.i18n import _
from course_lib.pate.digit_layers import Straighten
from course_lib.pate.public_graph import neighbour_graph, spectral_embedding
from course_lib.pate.student_network import StudentNetwork, learn
from course_lib.pate.training import as_input

_CHUNK = 500
_COMPONENTS = 60


def straightened(images: np.ndarray) -> Tensor:
    """Images as a network gets them, float32 of shape (n, 1, side, side), upright and centred.

    `images`: shape (n, side, side), bytes or floats from 0 to 1. ValueError for another shape or NaN.
    """
    images = np.asarray(images)
    if images.ndim != 3 or images.shape[1] != images.shape[2] or len(images) == 0:
        raise ValueError(
            _("Expected images of shape (n, side, side), got shape {shape}.").format(shape=images.shape)
        )
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise ValueError(_("Expected bytes or floats as pixels, got {dtype}.").format(dtype=images.dtype))
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        bad = int((~np.isfinite(images)).sum())
        raise ValueError(_("Expected finite pixels, got {bad} that are NaN or infinite.").format(bad=bad))
    return Straighten()(as_input(images))


def stroke_features(upright: Tensor, *, directions: int = 8, places: int = 7) -> np.ndarray:
    """Which way strokes run in each of `places` x `places` spots, float32 of shape (n, at most 60).

    `upright`: what `straightened` returned. At each pixel the slope of darkness is split into `directions`,
    made sharper, and scaled so that faint strokes count too; it is blurred and averaged in each spot. What is
    returned are principal components of that.

    Source: Dalal and Triggs 2005, "Histograms of Oriented Gradients for Human Detection".
    """
    described = torch.cat([_directions(chunk, directions, places) for chunk in upright.split(_CHUNK)]).numpy()
    components = min(_COMPONENTS, *described.shape)
    return PCA(components, svd_solver="full").fit_transform(described)


def _directions(images: Tensor, directions: int, places: int) -> Tensor:
    smooth, slope = torch.tensor([1.0, 2.0, 1.0]) / 4, torch.tensor([-1.0, 0.0, 1.0])
    kernels = torch.stack([smooth[:, None] * slope, slope[:, None] * smooth])[:, None]
    right, down = functional.conv2d(images, kernels, padding=1).split(1, dim=1)
    angles = (2 * math.pi / directions * torch.arange(directions))[None, :, None, None]
    along = (right * angles.cos() + down * angles.sin()).relu().square()
    along = along / (along.sum(dim=1, keepdim=True).sqrt() + 1e-3)
    blur = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    blur = (blur[:, None] * blur).expand(directions, 1, 5, 5)
    return functional.adaptive_avg_pool2d(
        functional.conv2d(along, blur, padding=2, groups=directions), places
    ).flatten(1)


def self_taught(
    upright: Tensor,
    strokes: np.ndarray,
    *,
    steps: int,
    seed: int,
    clusters: int = 100,
    after_step: Callable[[], object] = lambda: None,
) -> StudentNetwork:
    """A network that learnt to tell into which of many small clusters of `strokes` an image fell.

    `upright` (n, 1, side, side) and `strokes` (n, length) are of the same images; n at least 10.
    """
    clusters = min(clusters, len(strokes) // 5)
    places = spectral_embedding(neighbour_graph(strokes), dimensions=min(40, len(strokes) // 2))
    numbers = KMeans(clusters, n_init=1, random_state=seed).fit_predict(places).astype(np.int64)
    network = StudentNetwork(clusters, side=upright.shape[-1])
    return learn(network, upright, numbers, steps=steps, after_step=after_step)


def side_by_side(*parts: np.ndarray) -> np.ndarray:
    """Several kinds of features, (images, length) each, as one: each kind counts alike.

    >>> side_by_side(np.array([[0.0], [2.0]]), np.array([[0.0], [200.0]]))
    array([[-1., -1.],
           [ 1.,  1.]])
    """
    centred = [part - part.mean(axis=0) for part in parts]
    return np.concatenate(
        [part / max(math.sqrt((part**2).sum(axis=1).mean()), 1e-12) for part in centred], axis=1
    )
