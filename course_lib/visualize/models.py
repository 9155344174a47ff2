"""The models that can be compared: what they are called, what can be chosen, how they are built.

Promises: `Settings` names everything that a result depends on, is hashable, and the same for the same result;
whatever a page or an address asks for becomes settings inside the bounds of `ranges`. A forest has bounded
memory: see `smallest_leaf`. Leaves out training (`course_lib.visualize.training`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sklearn.base import ClassifierMixin
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from course_lib.i18n import N_, _
from course_lib.visualize.processors import MANY_ROWS

if TYPE_CHECKING:
    from course_lib.visualize.datasets import Dataset

#: The hyperparameters that can be chosen, with their labels.
HYPERPARAMETERS: dict[str, str] = {"n_estimators": N_("number of trees"), "max_depth": N_("greatest depth")}

_MOST_LEAVES = 20_000


class ModelError(ValueError):
    """A model that the course does not have; the message names those that it has."""


@dataclass(frozen=True)
class Range:
    """From `low` to `high` in steps of `step`, with the value that is chosen for those who choose none."""

    low: int
    high: int
    default: int
    step: int

    def nearest(self, value: int | None) -> int:
        """Return the value of the range that is closest to `value`; the default for None.

        >>> Range(10, 200, 50, 10).nearest(37), Range(10, 200, 50, 10).nearest(-1)
        (40, 10)
        """
        if value is None:
            return self.default
        steps = round((min(max(value, self.low), self.high) - self.low) / self.step)
        return min(self.low + steps * self.step, self.high)


@dataclass(frozen=True)
class Model:
    """A kind of classifier: its `label` and a sentence, both for ``_()``, and which hyperparameters apply."""

    name: str
    label: str
    description: str
    hyperparameters: tuple[str, ...]


MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        Model(
            "decision_tree",
            N_("Decision tree"),
            N_("One tree of questions; a row ends in a leaf, and the leaf's rows vote."),
            ("max_depth",),
        ),
        Model(
            "random_forest",
            N_("Random forest"),
            N_("Many trees, each grown on rows drawn anew; their probabilities are averaged."),
            ("n_estimators", "max_depth"),
        ),
        Model(
            "extra_trees",
            N_("Extra trees"),
            N_("Many trees; each question is the best of a few drawn at random; they are averaged."),
            ("n_estimators", "max_depth"),
        ),
        Model(
            "gradient_boosting",
            N_("Gradient boosting"),
            N_("Small trees one after another, each of which corrects those before it."),
            ("n_estimators", "max_depth"),
        ),
        Model(
            "logistic_regression",
            N_("Logistic regression"),
            N_("A weighted sum of the features, each on the same scale, turned into a probability."),
            (),
        ),
    )
}


@dataclass(frozen=True)
class Settings:
    """All that a result depends on; None where a hyperparameter does not apply."""

    dataset: str
    model: str
    n_estimators: int | None
    max_depth: int | None
    seed: int = 0


def ranges(model: str, rows: int) -> dict[str, Range]:
    """Return what can be chosen for each hyperparameter of `model`, for a data set of so many `rows`.

    Raises ModelError for a model that the course does not have.

    >>> ranges("decision_tree", rows=150)
    {'max_depth': Range(low=1, high=20, default=5, step=1)}
    >>> ranges("logistic_regression", rows=150)
    {}
    """
    many = rows > MANY_ROWS
    bounds = {
        "n_estimators": Range(10, 100, 20, 10) if many else Range(10, 200, 50, 10),
        "max_depth": Range(1, 20, 12, 1) if many else Range(1, 20, 5, 1),
    }
    return {name: bounds[name] for name in _model(model).hyperparameters}


def settings_for(
    dataset: "Dataset",
    model: str,
    *,
    n_estimators: int | None = None,
    max_depth: int | None = None,
    seed: int = 0,
) -> Settings:
    """Return settings inside their bounds: what does not apply becomes None, what is outside the nearest end.

    Raises ModelError for a model that the course does not have.

    >>> from course_lib.visualize.datasets import load
    >>> settings_for(load("iris"), "decision_tree", n_estimators=10, max_depth=999)
    Settings(dataset='iris', model='decision_tree', n_estimators=None, max_depth=20, seed=0)
    """
    asked: Mapping[str, int | None] = {"n_estimators": n_estimators, "max_depth": max_depth}
    bounds = ranges(model, len(dataset.target))
    chosen = {name: bounds[name].nearest(asked[name]) if name in bounds else None for name in asked}
    return Settings(dataset.key, model, **chosen, seed=seed)


def smallest_leaf(rows: int) -> int:
    """Return how many of `rows` training rows a leaf has at least, so that no tree has over 20,000 leaves.

    Each node takes 64 bytes and 8 more for each class: a forest of 100 trees for 7 classes stays under 0.5
    GB.

    >>> smallest_leaf(100), smallest_leaf(20_000), smallest_leaf(389_278)
    (1, 1, 20)
    """
    return max(1, -(-rows // _MOST_LEAVES))


def estimator(settings: Settings, *, rows: int) -> ClassifierMixin:
    """Return the unfitted scikit-learn classifier for `settings` and so many training `rows`.

    A forest's trees are independent, so that its result is the same on any number of processors.

    >>> estimator(Settings("iris", "random_forest", 50, 5), rows=100)
    RandomForestClassifier(max_depth=5, n_estimators=50, random_state=0)
    """
    name, seed, depth = _model(settings.model).name, settings.seed, settings.max_depth
    leaf = smallest_leaf(rows)
    trees = {
        "n_estimators": settings.n_estimators,
        "max_depth": depth,
        "min_samples_leaf": leaf,
        "random_state": seed,
        # On few rows, threads cost more than they bring.
        "n_jobs": -1 if rows > MANY_ROWS else None,
    }
    if name == "decision_tree":
        return DecisionTreeClassifier(max_depth=depth, min_samples_leaf=leaf, random_state=seed)
    if name == "random_forest":
        return RandomForestClassifier(**trees)
    if name == "extra_trees":
        return ExtraTreesClassifier(**trees)
    if name == "gradient_boosting":
        # Its own early stopping would take rows away, and make the number of trees a wish.
        return HistGradientBoostingClassifier(
            max_iter=settings.n_estimators, max_depth=depth, early_stopping=False, random_state=seed
        )
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))


def _model(name: str) -> Model:
    if name not in MODELS:
        message = _("One of the models {known} was expected, not {name}.")
        raise ModelError(message.format(known=", ".join(MODELS), name=repr(name)[:60]))
    return MODELS[name]
