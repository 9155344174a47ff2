"""An ensemble of teachers: each learns from its own part of the private data, then all vote.

Promises: any `torch.nn.Module` can be a teacher. Each gets the images and labels of its own part and nothing
else; parts that overlap are refused, since PATE's privacy rests on them. Training goes through joblib, so
`joblib.parallel_config("ray")` around `train_teachers` spreads it over a Ray cluster. With a folder, an
interrupted run goes on where it stopped. The same seed gives the same teachers, however many jobs there are
and however often the run was interrupted.

Leaves out: privacy. Teachers, their predictions and their votes are as secret as the private data: only what
`course_lib.pate.aggregation` answers may be seen. Teachers in threads (`joblib.parallel_config("threading")`)
would share torch's generator, and are refused for that reason.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import torch
from joblib.externals.loky import get_reusable_executor
from joblib.parallel import LokyBackend, ThreadingBackend, get_active_backend
from torch import Tensor, nn
from tqdm.auto import tqdm

from course_lib.i18n import _
from course_lib.pate import checkpoints
from course_lib.pate.together import train_together
from course_lib.pate.training import Training, as_input, prepared, seed_of, seeded, split, train

_ROUND = 8  # so many teachers a worker, then they are saved
_CHUNK = 500  # so many images are predicted at once


@dataclass(frozen=True)
class Teachers:
    """Trained teachers: how their network is made, and each one's state."""

    network: Callable[[], nn.Module]
    states: Sequence[dict[str, Tensor]]

    def __len__(self) -> int:
        return len(self.states)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Each teacher's label for each of `images`: int64 of shape (teachers, images).

        `images` are as in `train_teachers`. Where the network begins with `Fixed` layers and they are the
        same for all teachers, these layers see each image once. ValueError for images that are not numbers.
        """
        _check_images(images)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        networks = [self._trained(state).to(device) for state in self.states]
        fixed, learned = zip(*map(split, networks), strict=True)
        shared = all(_same(fixed[0], other) for other in fixed)
        predictions = np.empty((len(self), len(images)), dtype=np.int64)
        with torch.inference_mode():
            for start in range(0, len(images), _CHUNK):
                chunk = slice(start, start + _CHUNK)
                inputs = as_input(images[chunk]).to(device)
                features = fixed[0](inputs) if shared else None
                for teacher, network in enumerate(learned):
                    scores = network(features if shared else fixed[teacher](inputs))
                    predictions[teacher, chunk] = scores.argmax(dim=1).cpu().numpy()
        return predictions

    def _trained(self, state: dict[str, Tensor]) -> nn.Module:
        with seeded(0):
            network = self.network()
        network.load_state_dict(state)
        return prepared(network).eval()


def train_teachers(
    network: Callable[[], nn.Module],
    images: np.ndarray,
    labels: np.ndarray,
    *,
    parts: Sequence[np.ndarray],
    training: Training,
    seed: int,
    folder: str | Path | None = None,
    progress: bool = True,
    n_jobs: int | None = -1,
    device: str | None = None,
) -> Teachers:
    """One teacher for each of `parts`, trained on `images[part]` and `labels[part]` alone.

    `network`: makes a new network, whose scores have shape (n, classes). It gets float32 images of shape
    (n, ...); bytes are divided by 255, and grey images of shape (n, height, width) get a channel axis.
    `labels`: int of shape (n,), from 0. `parts`: int arrays that share no number, as from `disjoint_parts`.
    `folder`: where finished teachers are kept and found again. `n_jobs`: joblib's (-1: all processors, of the
    cluster if need be; None: as `joblib.parallel_config` says). `device`: "cpu", or "cuda" for all teachers
    at once on this machine's graphics processor, without joblib; None: "cuda" where there is one.

    ValueError for images and labels of different lengths, values that are not numbers, labels the network has
    no score for, parts that overlap; for a checkpoint in `folder` that is damaged or was trained otherwise.

    >>> images = np.repeat(np.eye(2, dtype=np.float32), 8, axis=0)
    >>> teachers = train_teachers(
    ...     lambda: nn.Linear(2, 2), images, images.argmax(axis=1),
    ...     parts=[np.arange(0, 16, 2), np.arange(1, 16, 2)],
    ...     training=Training(epochs=50, batch_size=8, learning_rate=0.1), seed=1, progress=False, n_jobs=1,
    ... )
    >>> teachers.predict(np.eye(2, dtype=np.float32)).tolist()
    [[0, 1], [0, 1]]
    """
    _check(network, images, labels, parts, seed)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    lessons = [
        _Lesson(network, images[part], labels[part], training, seed_of(teacher, seed=seed), device)
        for teacher, part in enumerate(parts)
    ]
    store = _Store(folder, lessons)
    states = store.found()
    waiting = [teacher for teacher in range(len(parts)) if teacher not in states]
    with tqdm(total=len(parts), initial=len(states), desc=_("Teachers"), disable=not progress) as bar:
        for teacher, state in _trained([lessons[teacher] for teacher in waiting], waiting, device, n_jobs):
            states[teacher] = state
            store.keep(teacher, state)
            bar.update()
    return Teachers(network, [states[teacher] for teacher in range(len(parts))])


def vote_counts(predictions: np.ndarray, *, classes: int) -> np.ndarray:
    """How many teachers chose each class for each image: int64 of shape (images, classes).

    `predictions`: int of shape (teachers, images). ValueError for a label outside 0 to `classes` - 1.

    >>> vote_counts(np.array([[0, 2], [0, 1], [1, 2]]), classes=3)
    array([[2, 1, 0],
           [0, 1, 2]])
    """
    predictions = np.asarray(predictions)
    if predictions.ndim != 2 or not np.issubdtype(predictions.dtype, np.integer):
        raise ValueError(
            _("Expected whole numbers of shape (teachers, images), got {dtype} of shape {shape}.").format(
                dtype=predictions.dtype, shape=predictions.shape
            )
        )
    _check_labels(predictions, classes)
    images = predictions.shape[1]
    cells = predictions.astype(np.int64) + np.arange(images) * classes
    return np.bincount(cells.ravel(), minlength=images * classes).reshape(images, classes)


@dataclass(frozen=True)
class _Lesson:
    """All that one teacher needs, and nothing of the others': what travels to the worker that trains it."""

    network: Callable[[], nn.Module]
    images: np.ndarray
    labels: np.ndarray
    training: Training
    seed: int
    device: str

    def learn(self) -> dict[str, Tensor]:
        return train(self.network, self.images, self.labels, training=self.training, seed=self.seed)

    def settings(self) -> dict:
        """What decides how the teacher turns out, in numbers and texts."""
        examples = hashlib.sha256()
        for array in (self.images, self.labels):
            examples.update(f"{array.dtype.str}{array.shape}".encode())
            examples.update(np.ascontiguousarray(array))
        with seeded(self.seed):
            network = repr(self.network())
        return {
            **dataclasses.asdict(self.training),
            "network": network,
            "images and labels": examples.hexdigest(),
            "seed": self.seed,
            "device": self.device,
        }


class _Store:
    """Finished teachers in a folder; without a folder, nothing is kept and nothing is found."""

    def __init__(self, folder: str | Path | None, lessons: Sequence[_Lesson]):
        self.folder = None if folder is None else Path(folder)
        self.settings = [] if folder is None else [lesson.settings() for lesson in lessons]
        if self.folder:
            self.folder.mkdir(parents=True, exist_ok=True)

    def found(self) -> dict[int, dict[str, Tensor]]:
        """The states of the teachers that were finished before."""
        states = {}
        for teacher, settings in enumerate(self.settings):
            path = checkpoints.path_of(teacher, folder=self.folder)
            if path.exists():
                states[teacher] = checkpoints.load(path, settings=settings)
        return states

    def keep(self, teacher: int, state: dict[str, Tensor]) -> None:
        if self.folder:
            path = checkpoints.path_of(teacher, folder=self.folder)
            checkpoints.save(path, state, settings=self.settings[teacher])


def _trained(
    lessons: Sequence[_Lesson], numbers: Sequence[int], device: str, n_jobs: int | None
) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Each teacher's number and state, as they come in."""
    if not lessons:
        return
    if device != "cpu":
        states = train_together(
            lessons[0].network,
            [lesson.images for lesson in lessons],
            [lesson.labels for lesson in lessons],
            training=lessons[0].training,
            seeds=[lesson.seed for lesson in lessons],
            device=device,
        )
        yield from zip(numbers, states, strict=True)
        return
    if isinstance(get_active_backend()[0], ThreadingBackend):
        raise ValueError(
            _("Expected a joblib backend with processes, got threading: torch's generator is shared.")
        )
    # Not joblib's generator: Ray's backend has none. Rounds give progress and checkpoints with every backend.
    with joblib.Parallel(n_jobs=n_jobs, batch_size=1) as parallel:
        size = _ROUND * joblib.effective_n_jobs(n_jobs)
        for start in range(0, len(lessons), size):
            states = parallel(joblib.delayed(lesson.learn)() for lesson in lessons[start : start + size])
            yield from zip(numbers[start : start + size], states, strict=True)
    # joblib would keep its workers, and their memory, for five minutes; Ray's belong to the cluster.
    if isinstance(get_active_backend()[0], LokyBackend) and joblib.effective_n_jobs(n_jobs) > 1:
        get_reusable_executor().shutdown(wait=True)


def _same(one: nn.Module, other: nn.Module) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def _check(network: Callable, images: np.ndarray, labels: np.ndarray, parts: Sequence, seed: int) -> None:
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
    _check_images(images)
    _check_parts(parts, len(images))
    _check_labels(labels, _classes(network, images))


def _check_images(images: np.ndarray) -> None:
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


def _check_labels(labels: np.ndarray, classes: int) -> None:
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
