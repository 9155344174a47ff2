"""Permutation importance: how much AUC is lost on test rows when a feature's values are shuffled.

Promises: scikit-learn's ``permutation_importance`` on a stratified sample of the test rows, with progress
and a way to stop; the same for the same seed. Leaves out what it cannot tell: of two features that say the
same, either may look useless, because the other one stands in for it.
"""

import threading
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn import inspection
from sklearn.base import ClassifierMixin

from course_lib.visualize.datasets import Split
from course_lib.visualize.evaluation import auc, class_probabilities
from course_lib.visualize.processors import suited_to
from course_lib.visualize.samples import stratified
from course_lib.visualize.training import Progress, Steps, Trained


@dataclass(frozen=True, eq=False)
class Importance:
    """`table`: feature, mean and std of the loss of AUC over `repeats`, from `rows` of `of` test rows."""

    table: pd.DataFrame
    rows: int
    of: int
    repeats: int


def permutation_importance(
    trained: Trained,
    split: Split,
    *,
    rows: int = 2_000,
    repeats: int = 5,
    seed: int = 0,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Importance:
    """Return how much AUC `trained` loses by each feature, on at most `rows` test rows.

    `progress` is called with fractions; raises `course_lib.visualize.training.Stopped` soon after `stop`
    was set.

    >>> from course_lib.visualize.datasets import load, split
    >>> from course_lib.visualize.models import settings_for
    >>> from course_lib.visualize.training import train
    >>> iris = load("iris")
    >>> trained = train(split(iris), settings_for(iris, "logistic_regression"))
    >>> permutation_importance(trained, split(iris)).table["feature"][0]
    'petal width (cm)'
    """
    chosen = stratified(split.y_test, most=rows, random=np.random.default_rng(seed))
    steps = Steps(progress, stop)
    scorings = 1 + split.x_test.shape[1] * repeats
    done = 0

    def score(model: ClassifierMixin, features: np.ndarray, y: np.ndarray) -> float:
        nonlocal done
        steps.reached(done / scorings)
        done += 1
        return auc(y, class_probabilities(model, features, classes=len(split.dataset.class_names)))

    with suited_to(len(chosen)):
        found = inspection.permutation_importance(
            trained.estimator,
            split.x_test[chosen],
            split.y_test[chosen],
            scoring=score,
            n_repeats=repeats,
            random_state=seed,
        )
    steps.reached(1.0)
    table = pd.DataFrame(
        {
            "feature": split.dataset.feature_names,
            "mean": found.importances_mean,
            "std": found.importances_std,
        }
    )
    table = table.sort_values("mean", ascending=False, kind="stable", ignore_index=True)
    return Importance(table, len(chosen), len(split.y_test), repeats)
