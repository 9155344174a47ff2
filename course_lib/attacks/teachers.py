"""PATE in small, for many students at once: each is taught by the noisy votes of its own teachers.

Each half of the candidates is dealt out to teachers, every image to exactly one. The teachers of a half vote
on groups of public images that look alike, noise is added to the counts, and a student learns the winners.

Promises: the students of different halves have nothing in common but the public images and the seed.
One image moves the vote of one teacher, in every question: `course_lib.pate.accounting` says what that costs.
Leaves out: noise that protects anyone (it comes from the seed), the ledger, thresholds; lesson 04 has them.

Source: Papernot et al. 2017 and 2018 (PATE, GNMax).
"""

import numpy as np
from sklearn.cluster import KMeans

from course_lib.attacks.targets import CLASSES, Networks, Training, train_together
from course_lib.i18n import _

_TEACHER = Training(epochs=25, learning_rate=1e-2, hidden=16)
_STUDENT = Training(epochs=3, weight_decay=0.3)


def dealt_out(members: np.ndarray, *, teachers: int, seed: int) -> np.ndarray:
    """Which teacher gets which image: bool (models * teachers, n), the teachers of one model in a row.

    `members`: bool (models, n). Raises ValueError where a half can't be dealt out evenly.

    >>> dealt_out(np.ones((1, 6), bool), teachers=3, seed=0).sum(axis=1)
    array([2, 2, 2])
    """
    random, parts = np.random.default_rng(seed), []
    for row in members:
        own = random.permutation(row.nonzero()[0])
        if teachers < 1 or len(own) % teachers:
            message = _("{images} images cannot be dealt out evenly to {teachers} teachers.")
            raise ValueError(message.format(images=len(own), teachers=teachers))
        for part in own.reshape(teachers, -1):
            parts.append(np.isin(np.arange(members.shape[1]), part))
    return np.array(parts)


def votes_on_groups(predictions: np.ndarray, groups: np.ndarray, *, teachers: int) -> np.ndarray:
    """How many teachers of each model vote for which class: integers (models, groups, classes).

    `predictions`: classes, int (models * teachers, n); `groups`: each image's group, int (n,), from 0. A
    teacher votes for the class that it gives most often to the group's images.

    >>> votes_on_groups(np.array([[7, 7, 1], [7, 1, 1]]), np.array([0, 0, 1]), teachers=2)[0, :, [1, 7]]
    array([[1, 2],
           [1, 0]])
    """
    shape = (len(predictions), groups.max() + 1, CLASSES)
    of_teacher = (np.bincount(groups * CLASSES + row, minlength=shape[1] * CLASSES) for row in predictions)
    counts = np.array(list(of_teacher)).reshape(shape)
    votes = np.arange(CLASSES) == counts.argmax(axis=-1)[..., np.newaxis]
    return votes.reshape(-1, teachers, *shape[1:]).sum(axis=1)


def look_alike(features: np.ndarray, *, groups: int, seed: int) -> np.ndarray:
    """The group of each public image, by k-means on `features` (n, features): int (n,), from 0."""
    return KMeans(groups, n_init=1, random_state=seed).fit_predict(features)


def train_teachers(
    images: np.ndarray, labels: np.ndarray, members: np.ndarray, *, teachers: int, seed: int
) -> Networks:
    """The teachers of every half, as `dealt_out` numbers them; arguments as for `train_together`."""
    parts = dealt_out(members, teachers=teachers, seed=seed)
    return train_together(images, labels, parts, training=_TEACHER, seed=seed)


def train_students(images: np.ndarray, labels: np.ndarray, *, seed: int) -> Networks:
    """One student for each row of `labels` (students, n), which say what it was told about `images`."""
    students, count = labels.shape
    own = np.repeat(np.eye(students, dtype=bool), count, axis=1)
    return train_together(np.tile(images, (students, 1)), labels.ravel(), own, training=_STUDENT, seed=seed)
