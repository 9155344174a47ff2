"""One teacher's training as a job: what travels to the worker, what is kept of it, and in which rounds.

Promises that a job holds one teacher's images and labels and nobody else's; that a finished one is found
again, so that an interrupted run goes on; and that joblib's own workers end with the last job. Leaves out the
workers of other backends, such as Ray's, and what those do with a job: whoever runs them sees what travels to
them.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
from joblib.externals.loky import get_reusable_executor
from joblib.parallel import LokyBackend, ThreadingBackend, get_active_backend
from torch import Tensor, nn

from course_lib.i18n import _
from course_lib.pate import checkpoints
from course_lib.pate.together import train_together
from course_lib.pate.training import Training, seeded, train

_ROUND = 8  # so many teachers a worker, then they are saved


@dataclass(frozen=True)
class Job:
    """All that one teacher needs, and nothing of the others': what travels to the worker that trains it."""

    network: Callable[[], nn.Module]
    images: np.ndarray
    labels: np.ndarray
    training: Training
    seed: int
    device: str

    def learn(self) -> dict[str, Tensor]:
        """The trained teacher's state."""
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


class Store:
    """Finished teachers in a folder; without a folder, nothing is kept and nothing is found."""

    def __init__(self, folder: str | Path | None, jobs: Sequence[Job]):
        self.folder = None if folder is None else Path(folder)
        self.settings = [] if folder is None else [job.settings() for job in jobs]
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
        """Have the state of a finished teacher found the next time."""
        if self.folder:
            path = checkpoints.path_of(teacher, folder=self.folder)
            checkpoints.save(path, state, settings=self.settings[teacher])


def finished(
    jobs: Sequence[Job], numbers: Sequence[int], device: str, n_jobs: int | None
) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Each job's number, out of `numbers`, and its teacher's state, as they come in.

    Raises ValueError for a joblib backend with threads.
    """
    if not jobs:
        return
    if device != "cpu":
        states = train_together(
            jobs[0].network,
            [job.images for job in jobs],
            [job.labels for job in jobs],
            training=jobs[0].training,
            seeds=[job.seed for job in jobs],
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
        for start in range(0, len(jobs), size):
            states = parallel(joblib.delayed(job.learn)() for job in jobs[start : start + size])
            yield from zip(numbers[start : start + size], states, strict=True)
    # joblib would keep its workers, and their memory, for five minutes; Ray's belong to the cluster.
    if isinstance(get_active_backend()[0], LokyBackend) and joblib.effective_n_jobs(n_jobs) > 1:
        get_reusable_executor().shutdown(wait=True)
