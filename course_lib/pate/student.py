"""The student: it learns from public images and from the few answers that were paid for.

Three ways, from the plainest to the thriftiest:

- `train_supervised`: from the answered images alone;
- `train_semi_supervised`: from the answered images, and from all other public images without a label;
- `train_from_clusters`: asks on its own, one question for each group of public images that look alike.

Promises: a student sees public images and answers, never votes; so whatever the answers cost is all that it
costs, and the student may be published. The same images, answers and seed give the same student on one
machine with as many threads. What `train_from_clusters` asks depends on answers alone, and on no votes.
Leaves out: asking itself (`aggregation`), and choosing public images. Assumes square images of dark writing
on empty paper; classes that look alike to `public_features` stay mixed up, however many answers are bought.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor
from tqdm.auto import tqdm

from course_lib.i18n import _
from course_lib.pate.mechanisms import NO_ANSWER
from course_lib.pate.public_clusters import Groups, central_groups
from course_lib.pate.public_features import self_taught, side_by_side, straightened, stroke_features
from course_lib.pate.public_graph import (
    checked_labels,
    margins,
    neighbour_graph,
    spectral_embedding,
    spread_labels,
)
from course_lib.pate.student_network import StudentNetwork, features, learn, probabilities, seeded

FEWEST_IMAGES = 50  # fewer public images than this make no graph that is worth the name

Ask = Callable[[Groups], ArrayLike]


@dataclass(frozen=True)
class Steps:
    """How many batches of 128 images each part of a training takes; 70 are about one pass over 9,000."""

    self_taught: int = 560
    each_round: int = 350
    last_round: int = 700


#: Half of all: answers about single images are many, and more steps add little.
SHORT = Steps(self_taught=280, each_round=175, last_round=350)


@dataclass(frozen=True)
class Student:
    """A trained student, which may be published."""

    network: StudentNetwork

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Probabilities of the classes, float32 (images, classes); ValueError for images of another size."""
        upright = straightened(images)
        if upright.shape[-1] != self.network.side:
            message = _("Expected images of side {side}, got shape {shape}.")
            raise ValueError(message.format(side=self.network.side, shape=np.shape(images)))
        return probabilities(self.network, upright)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """The most probable class of each of `images`, int64 (images,)."""
        return self.probabilities(images).argmax(axis=1)


def train_supervised(
    images: np.ndarray,
    labels: ArrayLike,
    *,
    classes: int,
    seed: int,
    steps: int = 400,
    progress: bool = True,
) -> Student:
    """A student that learns from `images` (n, side, side), bytes or floats from 0 to 1, and `labels` (n,).

    ValueError for no image, NaN, another shape, labels outside 0 to `classes` - 1.
    """
    upright = straightened(images)
    labels = checked_labels(labels, count=len(upright), classes=classes)
    with seeded(seed), _bar(steps, progress) as bar:
        network = StudentNetwork(classes, side=upright.shape[-1])
        return Student(learn(network, upright, labels, steps=steps, after_step=bar.update))


def train_semi_supervised(
    images: np.ndarray,
    answered: ArrayLike,
    labels: ArrayLike,
    *,
    classes: int,
    seed: int,
    steps: Steps = SHORT,
    progress: bool = True,
) -> Student:
    """A student that learns from all public `images` (n, side, side), of which `answered` have `labels`.

    `answered`: numbers of images, int (answers,); `labels`: int (answers,), from 0. An answer that is
    `NO_ANSWER` is left out. Labels are spread over the graph of images that look alike, the student learns
    them, each the more the surer it is, and looks at the images anew: twice. ValueError for what
    `train_supervised` refuses, for no answers, fewer than 50 images, an image that isn't there.
    """
    pupil = _Pupil.of(images, classes=classes, seed=seed)
    pupil.told(np.asarray(answered).reshape(-1, 1), labels)
    with seeded(seed), _bar(steps.self_taught + steps.each_round + steps.last_round, progress) as bar:
        pupil.look_on_its_own(steps.self_taught, bar)
        pupil.learn_from_answers(steps.each_round, bar)
        pupil.learn_from_answers(steps.last_round, bar)
        return Student(pupil.network)


def train_from_clusters(
    images: np.ndarray,
    ask: Ask,
    *,
    classes: int,
    seed: int,
    questions: Sequence[int] = (12, 8),
    steps: Steps = Steps(),
    progress: bool = True,
) -> Student:
    """A student that sorts public `images` (n, side, side) into groups, and asks one question for each.

    `ask(groups)` returns one label for each group, int (groups,), or `NO_ANSWER`; a group is an array of
    numbers of images. It is called once for each entry of `questions`, with that many groups at most: first
    those that stand for all images, later those among the tenth of images that the student is least sure of.
    Raises what `train_semi_supervised` raises, and what `ask` raises.
    """
    if not questions or min(questions) < 1:
        raise ValueError(
            _("Expected at least one question in each round, got {came}.").format(came=questions)
        )
    pupil = _Pupil.of(images, classes=classes, seed=seed)
    total = steps.self_taught + steps.each_round * len(questions) + steps.last_round
    with seeded(seed), _bar(total, progress) as bar:
        pupil.look_on_its_own(steps.self_taught, bar)
        for count in questions:
            groups = pupil.groups_to_ask(count)
            pupil.told(groups, ask(groups))
            pupil.learn_from_answers(steps.each_round, bar)
        pupil.learn_from_answers(steps.last_round, bar)
        return Student(pupil.network)


@dataclass
class _Pupil:
    """A student while it learns: what it sees, what it was told, what it makes of it."""

    upright: Tensor
    strokes: np.ndarray
    classes: int
    seed: int
    known: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    labels: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    network: StudentNetwork | None = None

    @classmethod
    def of(cls, images: np.ndarray, *, classes: int, seed: int) -> "_Pupil":
        upright = straightened(images)
        if len(upright) < FEWEST_IMAGES:
            message = _("Expected at least {fewest} public images, got {images}.")
            raise ValueError(message.format(fewest=FEWEST_IMAGES, images=len(upright)))
        return cls(upright, stroke_features(upright), classes, seed)

    def told(self, groups: Groups, labels: ArrayLike) -> None:
        """Remember the label of each group's images."""
        labels = np.asarray(labels)
        if labels.shape != (len(groups),):
            message = _("Expected one answer for each of {groups} questions, got shape {shape}.")
            raise ValueError(message.format(groups=len(groups), shape=labels.shape))
        given = labels != NO_ANSWER
        images = [group for group, answered in zip(groups, given, strict=True) if answered]
        for group in images:
            if group.min() < 0 or group.max() >= len(self.upright):
                message = _("Expected image numbers from 0 to {last}, got {wrong}.")
                wrong = group.min() if group.min() < 0 else group.max()
                raise ValueError(message.format(last=len(self.upright) - 1, wrong=wrong))
        labels = checked_labels(labels[given], count=len(images), classes=self.classes) if images else []
        self.known = np.concatenate([self.known, *images]).astype(np.int64)
        self.labels = np.concatenate([self.labels, np.repeat(labels, list(map(len, images)))]).astype(
            np.int64
        )
        if len(self.known) == 0:
            raise ValueError(_("Expected at least one answer, got none."))

    def look_on_its_own(self, steps: int, bar: tqdm) -> None:
        """Learn what makes images alike, without any label."""
        self.network = self_taught(
            self.upright, self.strokes, steps=steps, seed=self.seed, after_step=bar.update
        )

    def alike(self) -> np.ndarray:
        """Features by which images are compared: strokes, and what the network makes of them."""
        return side_by_side(self.strokes, features(self.network, self.upright))

    def groups_to_ask(self, count: int) -> list[np.ndarray]:
        """Groups of images, numbered as the public images are."""
        alike = self.alike()
        graph = neighbour_graph(alike)
        if len(self.known) == 0:
            places = spectral_embedding(graph, dimensions=count)
            return central_groups(places, groups=count, size=20, seed=self.seed)
        scores = spread_labels(graph, self.known, self.labels, classes=self.classes)
        unsure = margins(scores).argsort(kind="stable")[: max(len(alike) // 10, count)]
        groups = central_groups(alike[unsure], groups=count, size=10, seed=self.seed)
        return [unsure[group] for group in groups]

    def learn_from_answers(self, steps: int, bar: tqdm) -> None:
        """Spread the answers to all images, and learn them, each the more the surer it is."""
        graph = neighbour_graph(self.alike())
        scores = spread_labels(graph, self.known, self.labels, classes=self.classes)
        network = self.network.with_classes(self.classes)
        self.network = learn(
            network,
            self.upright,
            scores.argmax(axis=1),
            margins(scores),
            steps=steps,
            learning_rate=2e-3,
            after_step=bar.update,
        )


def _bar(steps: int, progress: bool) -> tqdm:
    return tqdm(total=steps, desc=_("Student"), disable=not progress)
