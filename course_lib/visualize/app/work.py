"""The app's jobs, each found again for the same settings: read a table, split rows, train and evaluate.

Promises: what everybody may see is computed once for all; what somebody uploaded is kept for their session
alone and goes with it. Every cache has a bound: results of Covertype take some 10 MB each, its rows half a
gigabyte, a table of one's own up to as much. The page keeps no fitted model: it ends with its job.
"""

import threading
from collections.abc import Callable
from contextlib import contextmanager
from typing import NamedTuple

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from course_lib.visualize.app.jobs import Job
from course_lib.visualize.datasets import Split, load, split
from course_lib.visualize.evaluation import evaluate
from course_lib.visualize.importance import permutation_importance
from course_lib.visualize.models import MANY_ROWS, Settings
from course_lib.visualize.training import Stopped, train
from course_lib.visualize.uploads import Table, as_dataset, read_table

#: The stages that jobs publish.
TABLE, ROWS, TRAINING, EVALUATION, IMPORTANCE = "table", "rows", "training", "evaluation", "importance"


class Training(NamedTuple):
    """What the page says of a training: its seconds, and whether it ended before it had converged."""

    seconds: float
    unfinished: bool


#: One model at a time is trained on many rows: each takes as much memory as it takes time.
_ONE_AT_A_TIME = threading.Lock()


def _cached(most: int, scope: str = "global") -> Callable:
    """A cache for jobs: shared as they are, not copied; what falls out of it is stopped."""
    return st.cache_resource(max_entries=most, show_spinner=False, scope=scope, on_release=Job.stop)


@_cached(3)  # as many as there are data sets
def rows_job(name: str) -> Job:
    """Load one of `course_lib.visualize.datasets.DATASETS` and split it."""
    return Job(lambda job: job.publish(ROWS, split(load(name))))


@_cached(24)
def training_job(settings: Settings, _rows: Split) -> Job:
    """Train on rows that all may see; `settings` names the data set."""
    return Job(lambda job: _train(job, settings, _rows))


@_cached(1, scope="session")  # a new file takes the place of the old one
def own_table_job(file_id: str, lang: str, _file: UploadedFile) -> Job:
    """Read the table that was uploaded; its notes speak `lang`."""
    return Job(lambda job: job.publish(TABLE, read_table(_file, name=_file.name)))


@_cached(1, scope="session")
def own_rows_job(key: str, name: str, target: str, lang: str, _table: Table) -> Job:
    """Take the column `target` of the file `name` as the classes, and split the rows."""
    return Job(lambda job: job.publish(ROWS, split(as_dataset(_table, target=target))))


@_cached(6, scope="session")
def own_training_job(settings: Settings, target: str, _rows: Split) -> Job:
    """Train on the rows of one's own."""
    return Job(lambda job: _train(job, settings, _rows))


def _train(job: Job, settings: Settings, rows: Split) -> None:
    with _turn(job, rows):
        trained = train(rows, settings, progress=lambda share: job.advance(0.9 * share), stop=job.stopping)
        evaluation = evaluate(trained, rows)
        # Its notes are in the language of whoever asked first; others may share the job.
        job.publish(TRAINING, Training(trained.seconds, bool(trained.notes)))
        job.publish(EVALUATION, evaluation)
        job.publish(
            IMPORTANCE, permutation_importance(trained, rows, progress=job.advance, stop=job.stopping)
        )


@contextmanager
def _turn(job: Job, rows: Split):
    """Wait until no other model is trained on many rows, or until nobody wants this one any more."""
    if len(rows.y_train) < MANY_ROWS:
        yield
        return
    while not _ONE_AT_A_TIME.acquire(timeout=0.2):
        if job.stopping.is_set():
            raise Stopped
    try:
        yield
    finally:
        _ONE_AT_A_TIME.release()
