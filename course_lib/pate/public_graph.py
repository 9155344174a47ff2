"""Which public images are alike: a graph of nearest neighbours, and what can be read off it.

Promises: nothing here knows a label but those it is given, so that all of it may be done with public images
at no cost in privacy. `neighbour_graph` joins each image to those most like it, `spectral_embedding` lays the
graph out so that images which many short paths join lie together, and `spread_labels` carries a few labels
along the edges to all images.
Leaves out: images that were not there when the graph was made; a student learns from the result for those.
Assumes that images of one class are joined by chains of small steps. Where they aren't, labels go astray.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse.linalg import cg, eigsh
from sklearn.neighbors import NearestNeighbors

from course_lib.i18n import _

_SCALE_NEIGHBOUR = 5  # the distance to this neighbour, from 0, is "near" for an image


def neighbour_graph(features: np.ndarray, *, neighbours: int = 8) -> sparse.csr_array:
    """Symmetric weights from 0 to 1 between each image and its nearest `neighbours`, shape (images, images).

    `features`: floats of shape (images, length). Distances count relative to what is near for either image.
    ValueError for features that are not numbers, or not more images than neighbours.

    >>> neighbour_graph(np.array([[0.0], [1.0], [9.0], [10.0]]), neighbours=1).toarray().round(2)
    array([[0.  , 0.37, 0.  , 0.  ],
           [0.37, 0.  , 0.  , 0.  ],
           [0.  , 0.  , 0.  , 0.37],
           [0.  , 0.  , 0.37, 0.  ]])

    Source: Zelnik-Manor and Perona 2004, "Self-Tuning Spectral Clustering".
    """
    features = np.asarray(features, dtype=np.float32)
    if features.ndim != 2 or not np.isfinite(features).all():
        raise ValueError(
            _("Expected finite features of shape (images, length), got shape {shape}{bad}.").format(
                shape=features.shape,
                bad="" if np.isfinite(features).all() else _(" with NaN or infinity"),
            )
        )
    if not 1 <= neighbours < len(features):
        raise ValueError(
            _("Expected from 1 to {most} neighbours for {images} images, got {neighbours}.").format(
                most=len(features) - 1, images=len(features), neighbours=neighbours
            )
        )
    distances, others = NearestNeighbors(n_neighbors=neighbours, algorithm="brute").fit(features).kneighbors()
    near = np.maximum(distances[:, min(_SCALE_NEIGHBOUR, neighbours - 1)], 1e-6)
    weights = np.exp(-(distances**2) / (near[:, None] * near[others]))
    starts = np.arange(0, others.size + 1, neighbours)
    graph = sparse.csr_array((weights.ravel(), others.ravel(), starts), shape=(len(others), len(others)))
    return graph.maximum(graph.T)


def spectral_embedding(graph: sparse.csr_array, *, dimensions: int) -> np.ndarray:
    """Each image's place on a sphere, float64 of shape (images, dimensions): near where paths are many.

    Source: Ng, Jordan and Weiss 2001, "On Spectral Clustering: Analysis and an algorithm".
    """
    images = graph.shape[0]
    if not 1 <= dimensions < images:
        raise ValueError(
            _("Expected from 1 to {most} dimensions for {images} images, got {dimensions}.").format(
                most=images - 1, images=images, dimensions=dimensions
            )
        )
    start = np.random.default_rng(0).uniform(0.5, 1.5, images)  # so that the result is always the same
    _values, vectors = eigsh(_normalised(graph), k=dimensions, which="LA", v0=start)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def spread_labels(
    graph: sparse.csr_array, images: ArrayLike, labels: ArrayLike, *, classes: int, reach: float = 0.99
) -> np.ndarray:
    """Each image's probability of each class, (images, classes), when `images` of the graph have `labels`.

    Labels wander along the edges; at each step the share `reach` goes on, the rest stays. Classes start
    with equal shares however many images stand for them. An image that no label reaches gets equal
    probabilities. ValueError where there are no labels, or labels outside 0 to `classes` - 1.

    >>> chain = sparse.csr_array(np.diag([1.0, 0.1, 1.0], 1) + np.diag([1.0, 0.1, 1.0], -1))
    >>> spread_labels(chain, [0, 3], [0, 1], classes=2).argmax(axis=1)
    array([0, 0, 1, 1])

    Source: Zhou et al. 2004, "Learning with Local and Global Consistency".
    """
    images, labels = np.asarray(images), checked_labels(labels, count=len(images), classes=classes)
    start = np.zeros((graph.shape[0], classes))
    np.add.at(start, (images, labels), 1.0)
    start /= np.maximum(start.sum(axis=0), 1)
    stays = sparse.eye_array(graph.shape[0]) - reach * _normalised(graph)
    arrived = np.stack([cg(stays, column, rtol=1e-4)[0] for column in start.T], axis=1).clip(min=0)
    total = arrived.sum(axis=1, keepdims=True)
    return np.where(total > 0, arrived / np.where(total > 0, total, 1), 1 / classes)


def margins(probabilities: np.ndarray) -> np.ndarray:
    """How far the best class is ahead of the next, 0 to 1, of shape (images,): how sure one can be.

    >>> margins(np.array([[0.75, 0.25], [0.5, 0.5]]))
    array([0.5, 0. ])
    """
    best_two = np.partition(probabilities, -2, axis=1)[:, -2:]
    return best_two[:, 1] - best_two[:, 0]


def checked_labels(labels: ArrayLike, *, count: int, classes: int) -> np.ndarray:
    """`labels` as int64 of shape (count,), each from 0 to `classes` - 1; else ValueError with the value."""
    labels = np.asarray(labels)
    if classes < 2:
        raise ValueError(_("Expected at least 2 classes, got {classes}.").format(classes=classes))
    if labels.ndim != 1 or len(labels) != count:
        raise ValueError(
            _("Expected one label for each of {count} images, got shape {shape}.").format(
                count=count, shape=labels.shape
            )
        )
    if len(labels) == 0:
        raise ValueError(_("Expected at least one answer, got none."))
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(_("Expected whole numbers as labels, got {dtype}.").format(dtype=labels.dtype))
    wrong = labels[(labels < 0) | (labels >= classes)]
    if len(wrong):
        raise ValueError(
            _("Expected labels from 0 to {last}, got {wrong}.").format(last=classes - 1, wrong=wrong[0])
        )
    return labels.astype(np.int64)


def _normalised(graph: sparse.csr_array) -> sparse.csr_array:
    """Each weight divided by the root of both its images' total weights."""
    root = 1 / np.sqrt(np.maximum(graph.sum(axis=1), 1e-12))
    return sparse.csr_array(graph * root[:, None] * root[None, :])
