"""Training that tells how far it is and can be stopped.

Promises: the trained model is the one that a plain ``fit`` makes with the same settings, to the last bit on
the same machine; after `stop` is set, `train` ends within one step: some trees of a forest, a tenth or
twentieth of a boosting's trees, an iteration of a regression. A single decision tree is one step (seconds
on 400,000 rows). Leaves out threads: whoever calls decides where training runs.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import joblib
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from course_lib.i18n import _
from course_lib.visualize.datasets import Split
from course_lib.visualize.models import Settings, estimator
from course_lib.visualize.processors import MANY_ROWS, suited_to

Progress = Callable[[float], None]


class Stopped(Exception):
    """Training was stopped on request; there is no model."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A fitted scikit-learn classifier, with what it was made from: `settings`, so many training `rows`.

    `seconds` is what training took here; `notes` are sentences to show, in the reader's language.
    """

    settings: Settings
    estimator: ClassifierMixin
    seconds: float
    rows: int
    notes: tuple[str, ...] = ()


def train(
    split: Split,
    settings: Settings,
    *,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Trained:
    """Fit the model of `settings` to the training rows; `progress` is called with fractions, from 0 up to 1.

    Raises Stopped soon after `stop` was set, ValueError where `settings` are for another data set or split.

    >>> from course_lib.visualize.datasets import load, split
    >>> from course_lib.visualize.models import settings_for
    >>> iris = load("iris")
    >>> seen = []
    >>> trained = train(split(iris), settings_for(iris, "random_forest"), progress=seen.append)
    >>> len(trained.estimator.estimators_), seen
    (50, [0.0, 0.5, 1.0])
    """
    if (settings.dataset, settings.seed) != (split.dataset.key, split.seed):
        raise ValueError(
            f"expected settings for {split.dataset.key} with seed {split.seed}, not for {settings}"
        )
    steps = Steps(progress, stop)
    model = estimator(settings, rows=len(split.y_train))
    start = time.perf_counter()
    steps.reached(0.0)
    with suited_to(len(split.y_train)):
        if isinstance(model, Pipeline):
            _fit_regression(model, split, steps)
        elif settings.n_estimators is not None:
            _fit_trees(model, split, settings.n_estimators, steps)
        else:
            model.fit(split.x_train, split.y_train)
    steps.reached(1.0)
    return Trained(settings, model, time.perf_counter() - start, len(split.y_train), _notes(model))


class Steps:
    """Between two steps: has somebody asked to stop? If not, how far are we?"""

    def __init__(self, progress: Progress | None, stop: threading.Event | None):
        self._progress = progress or (lambda fraction: None)
        self._stop = stop or threading.Event()
        self._last = -1.0

    def reached(self, fraction: float) -> None:
        """Tell that `fraction` of the work is done; raises Stopped where nobody wants the rest."""
        if self._stop.is_set():
            raise Stopped
        if fraction > self._last:
            self._last = fraction
            self._progress(fraction)


def _fit_trees(model: ClassifierMixin, split: Split, trees: int, steps: Steps) -> None:
    """Grow some trees at a time: with ``warm_start``, scikit-learn goes on where it ended."""
    size = "max_iter" if "max_iter" in model.get_params() else "n_estimators"
    model.set_params(warm_start=True)
    step = _trees_per_step(size, trees, many=len(split.y_train) > MANY_ROWS)
    for grown in [*range(step, trees, step), trees]:
        model.set_params(**{size: grown}).fit(split.x_train, split.y_train)
        steps.reached(grown / trees)
    model.set_params(warm_start=False)


def _trees_per_step(size: str, trees: int, *, many: bool) -> int:
    if size == "max_iter":  # each step of boosting begins by sorting all values into bins
        return max(5, trees // (20 if many else 5))
    return joblib.cpu_count() if many else 25


def _fit_regression(model: Pipeline, split: Split, steps: Steps) -> None:
    regression = model[-1]
    regression.set_callbacks(_EachIteration(steps, regression.max_iter))
    try:
        model.fit(split.x_train, split.y_train)
    finally:
        regression.set_callbacks()  # the model outlives the page that waits for it


class _EachIteration:
    """scikit-learn's callback, in the form of its ``FitCallback`` protocol."""

    def __init__(self, steps: Steps, most: int):
        self._steps, self._most, self._done = steps, most, 0

    def setup(self, estimator: LogisticRegression, context: object) -> None:
        """Nothing to prepare."""

    def on_fit_task_begin(self, estimator: LogisticRegression, context: object, **data: object) -> None:
        """An iteration begins: the moment to stop."""
        self._steps.reached(self._done / self._most)

    def on_fit_task_end(self, estimator: LogisticRegression, context: object, **data: object) -> None:
        """An iteration has ended; how many there will be is not known, only how many at most."""
        self._done = min(self._done + 1, self._most - 1)

    def teardown(self, estimator: LogisticRegression, context: object) -> None:
        """Nothing to tidy up."""


def _notes(model: ClassifierMixin) -> tuple[str, ...]:
    if isinstance(model, Pipeline) and model[-1].n_iter_.max() >= model[-1].max_iter:
        return (_("Training ended after its greatest number of iterations, before it had converged."),)
    return ()
