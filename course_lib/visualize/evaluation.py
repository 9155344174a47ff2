"""How good a trained model is on the test rows, as numbers and small tables.

Promises: everything is computed from all test rows, also where only some are drawn; the columns of
probabilities are the data set's classes, whichever of them the model knows. Leaves out the model itself, so
that many evaluations can be kept (10 MB for Covertype), and drawing.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from course_lib.i18n import _, number
from course_lib.visualize.curves import calibration_points, roc_points
from course_lib.visualize.datasets import Split, read_only
from course_lib.visualize.models import Settings
from course_lib.visualize.processors import suited_to
from course_lib.visualize.ranking import EvaluationError, Interval, auc, auc_interval, class_auc
from course_lib.visualize.training import Trained

__all__ = [
    "Evaluation",
    "EvaluationError",
    "Interval",
    "assess",
    "auc",
    "auc_interval",
    "calibration_points",
    "class_auc",
    "class_probabilities",
    "evaluate",
    "method_of_interval",
    "roc_points",
    "shares",
]

_ROWS_AT_ONCE = 25_000  # a forest's answers for all rows at once would take several times their memory


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What is known of a model's results on `rows` test rows.

    `auc` is that of two classes where `auc_kind` is "binary", else ("ovo") the mean over pairs of classes.
    `report`: columns class, precision, recall, f1, support, a row for each class and two for the averages.
    `confusion`: int64, (true, predicted). `roc`: class, false_positive_rate, true_positive_rate;
    `calibration`: class, predicted, observed, rows; each class against the rest, and of two classes the
    second alone, as in `class_auc`. `predicted`: int64, (rows,), places in `class_names`; `probabilities`:
    float32, (rows, classes).
    """

    settings: Settings
    class_names: tuple[str, ...]
    rows: int
    auc: Interval
    auc_kind: str
    accuracy: float
    report: pd.DataFrame
    confusion: np.ndarray
    roc: pd.DataFrame
    calibration: pd.DataFrame
    class_auc: dict[str, float]
    predicted: np.ndarray
    probabilities: np.ndarray


def evaluate(trained: Trained, split: Split, *, confidence: float = 0.95) -> Evaluation:
    """Return how good `trained` is on the test rows of `split`.

    Raises EvaluationError when a class has no test row.

    >>> from course_lib.visualize.datasets import load, split
    >>> from course_lib.visualize.models import settings_for
    >>> from course_lib.visualize.training import train
    >>> iris = load("iris")
    >>> result = evaluate(train(split(iris), settings_for(iris, "logistic_regression")), split(iris))
    >>> result.auc_kind, round(result.auc.value, 2), round(result.accuracy, 2)
    ('ovo', 1.0, 0.96)
    """
    classes = split.dataset.class_names
    with suited_to(trained.rows):
        probabilities = class_probabilities(trained.estimator, split.x_test, classes=len(classes))
    return assess(split.y_test, probabilities, classes, trained.settings, confidence=confidence)


def class_probabilities(model: ClassifierMixin, features: np.ndarray, *, classes: int) -> np.ndarray:
    """Return the probabilities that `model` gives, float64, (rows, `classes`), in the order of the classes.

    scikit-learn's columns are ``model.classes_``: the classes that training had shown. The others get 0.
    """
    probabilities = np.zeros((len(features), classes))
    for start in range(0, len(features), _ROWS_AT_ONCE):
        some = slice(start, start + _ROWS_AT_ONCE)
        probabilities[some, model.classes_] = model.predict_proba(features[some])
    return probabilities


def assess(
    y: np.ndarray,
    probabilities: np.ndarray,
    class_names: tuple[str, ...],
    settings: Settings,
    *,
    confidence: float = 0.95,
) -> Evaluation:
    """Return the evaluation of `probabilities`, float, (rows, classes), where the true classes are `y`."""
    classes = len(class_names)
    interval = auc_interval(y, probabilities, confidence=confidence)
    predicted = probabilities.argmax(axis=1)
    drawn = [1] if classes == 2 else range(classes)
    one_class = class_auc(y, probabilities)
    return Evaluation(
        settings=settings,
        class_names=class_names,
        rows=len(y),
        auc=interval,
        auc_kind="binary" if classes == 2 else "ovo",
        accuracy=float((predicted == y).mean()),
        report=_report(y, predicted, class_names),
        confusion=read_only(confusion_matrix(y, predicted, labels=range(classes))),
        roc=_by_class({class_names[c]: roc_points(y == c, probabilities[:, c]) for c in drawn}),
        calibration=_by_class(
            {class_names[c]: calibration_points(y == c, probabilities[:, c]) for c in drawn}
        ),
        class_auc={class_names[c]: float(one_class[c]) for c in drawn},
        predicted=read_only(predicted),
        probabilities=read_only(probabilities.astype(np.float32)),
    )


def shares(confusion: np.ndarray) -> np.ndarray:
    """Return a confusion matrix as shares of each true class, rows of float64 that sum to 1.

    >>> shares(np.array([[3, 1], [0, 2]])).tolist()
    [[0.75, 0.25], [0.0, 1.0]]
    """
    rows = confusion.sum(axis=1, keepdims=True)
    return np.divide(confusion, rows, out=np.zeros(confusion.shape), where=rows > 0)


def method_of_interval(evaluation: Evaluation) -> str:
    """Return a sentence, in the reader's language, on what the confidence interval is, and what it is not."""
    sentence = _(
        "The {percent} % confidence interval (DeLong's variance, Wilson's form) says how much the AUC would "
        "vary with other test rows, and not with other training rows."
    )
    return sentence.format(percent=number(100 * evaluation.auc.confidence))


def _report(y: np.ndarray, predicted: np.ndarray, class_names: tuple[str, ...]) -> pd.DataFrame:
    labels = range(len(class_names))
    columns = ("precision", "recall", "f1", "support")
    each = precision_recall_fscore_support(y, predicted, labels=labels, zero_division=0.0)
    table = pd.DataFrame(dict(zip(columns, each, strict=True)))
    for average in ("macro", "weighted"):
        scores = precision_recall_fscore_support(
            y, predicted, labels=labels, average=average, zero_division=0.0
        )
        table.loc[len(table)] = [*scores[:3], len(y)]
    table.insert(0, "class", [*class_names, "macro avg", "weighted avg"])
    return table.astype({"support": "int64"})


def _by_class(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    parts = [table.assign(**{"class": name}) for name, table in tables.items()]
    together = pd.concat(parts, ignore_index=True)
    return together[["class", *together.columns.drop("class")]]
