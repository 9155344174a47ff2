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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from course_lib.i18n import _
from course_lib.pate.teacher_checks import check_examples, check_images, check_labels
from course_lib.pate.teacher_jobs import Job, Store, finished
from course_lib.pate.training import Training, as_input, prepared, seed_of, seeded, split

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
        check_images(images)
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
    check_examples(network, images, labels, parts, seed)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    jobs = [
        Job(network, images[part], labels[part], training, seed_of(teacher, seed=seed), device)
        for teacher, part in enumerate(parts)
    ]
    store = Store(folder, jobs)
    states = store.found()
    waiting = [teacher for teacher in range(len(parts)) if teacher not in states]
    with tqdm(total=len(parts), initial=len(states), desc=_("Teachers"), disable=not progress) as bar:
        for teacher, state in finished([jobs[teacher] for teacher in waiting], waiting, device, n_jobs):
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
    check_labels(predictions, classes)
    images = predictions.shape[1]
    cells = predictions.astype(np.int64) + np.arange(images) * classes
    return np.bincount(cells.ravel(), minlength=images * classes).reshape(images, classes)


def _same(one: nn.Module, other: nn.Module) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
