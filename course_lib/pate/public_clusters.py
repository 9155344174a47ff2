"""Few questions for many images: groups of public images that look alike, one question for each group.

A question costs privacy, a public image costs none. So the public images are sorted into groups first,
without any label, and the teachers are asked once for each group. Each teacher casts one vote for a group,
however many images it has: the label that this teacher gives most of them. One teacher still moves one vote
of each question, so that the accounting is that of ordinary questions.

Promises: groups depend on public images and on answers that were paid for, never on votes.
Leaves out: how images are compared (`public_features`, `public_graph`). A group whose images belong to
several classes gets one label all the same; where there are fewer groups than classes, some classes are
never named.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.cluster import KMeans

from course_lib.i18n import _

Groups = Sequence[np.ndarray]


def central_groups(places: np.ndarray, *, groups: int, size: int, seed: int) -> list[np.ndarray]:
    """The images nearest to the centres of that many clusters: arrays of image numbers, nearest first.

    `places`: floats of shape (images, length). Clusters are found by k-means; each gives up to `size` of its
    images. Returns fewer groups where there are fewer different places. ValueError for more groups than
    images.

    >>> [group.tolist() for group in central_groups(np.array([[0.0], [0.1], [0.3], [5.0]]), groups=2, size=2,
    ...                                             seed=0)]
    [[1, 0], [3]]
    """
    if not 1 <= groups <= len(places):
        raise ValueError(
            _("Expected from 1 to {images} groups of {images} images, got {groups}.").format(
                images=len(places), groups=groups
            )
        )
    if size < 1:
        raise ValueError(_("Expected at least one image in a group, got {size}.").format(size=size))
    different = len(np.unique(places, axis=0)) if len(places) <= groups else groups
    clusters = KMeans(min(groups, different), n_init=10, random_state=seed).fit(places)
    distances = np.linalg.norm(places - clusters.cluster_centers_[clusters.labels_], axis=1)
    nearest = np.argsort(distances, kind="stable")
    sorted_out = [nearest[clusters.labels_[nearest] == cluster] for cluster in range(clusters.n_clusters)]
    return sorted((group[:size] for group in sorted_out if len(group)), key=lambda group: group.min())


def group_votes(predictions: np.ndarray, groups: Groups, *, classes: int) -> np.ndarray:
    """Votes for each group, int64 of shape (groups, classes): each teacher casts exactly one.

    `predictions`: each teacher's label for each public image, int of shape (teachers, images). A teacher
    votes for the label that it gives to most of a group's images; of several, the one it gives to the image
    that stands first. ValueError for an empty group, an image that isn't there, labels outside the classes.

    >>> predictions = np.array([[3, 3, 1, 0], [3, 1, 1, 0], [3, 3, 3, 2]])
    >>> group_votes(predictions, [np.array([0, 1, 2]), np.array([3])], classes=4)
    array([[0, 1, 0, 2],
           [2, 0, 1, 0]])
    """
    predictions = np.asarray(predictions)
    if predictions.ndim != 2 or predictions.dtype.kind not in "iu":
        raise ValueError(
            _("Expected whole numbers of shape (teachers, images), got {dtype} of shape {shape}.").format(
                dtype=predictions.dtype, shape=predictions.shape
            )
        )
    votes = np.zeros((len(groups), classes), dtype=np.int64)
    for number, group in enumerate(groups):
        ballots = _ballots(predictions, np.asarray(group), classes)
        votes[number] = np.bincount(ballots, minlength=classes)
    return votes


def _ballots(predictions: np.ndarray, group: np.ndarray, classes: int) -> np.ndarray:
    """The one label that each teacher votes for, (teachers,)."""
    if len(group) == 0:
        raise ValueError(_("Expected at least one image in a group, got none."))
    if group.min() < 0 or group.max() >= predictions.shape[1]:
        wrong = group.min() if group.min() < 0 else group.max()
        raise ValueError(
            _("Expected image numbers from 0 to {last}, got {wrong}.").format(
                last=predictions.shape[1] - 1, wrong=wrong
            )
        )
    labels = predictions[:, group]
    if labels.min(initial=0) < 0 or labels.max(initial=0) >= classes:
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise ValueError(
            _("Expected labels from 0 to {last}, got {wrong}.").format(last=classes - 1, wrong=wrong)
        )
    counts = np.eye(classes, dtype=np.int64)[labels].sum(axis=1)
    as_often = np.take_along_axis(counts, labels, axis=1)  # as the label of each image
    first_of_most = as_often.argmax(axis=1)
    return labels[np.arange(len(labels)), first_of_most]
