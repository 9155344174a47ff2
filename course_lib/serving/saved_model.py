"""A model from a folder that MLflow wrote, loaded without running anything that stands in it.

A pickle is a program: loading it runs it. So models are loaded in the skops format alone, and with an empty
list of trusted types of one's own: what skops knows to be harmless (scikit-learn's estimators, NumPy's
arrays) is built, anything else refused. MLflow's own loader takes the list of trusted types from the
model's folder, where whoever made the model wrote it; this one never reads it.

Promises that a file of another kind, with another type in it, or too large is refused with a sentence, and
that nothing of it has run. Leaves out who may put a model into the registry: a model can still answer
nonsense, or have numbers inside that make its process crash.
"""

import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow.models import Model
from sklearn import config_context
from sklearn.base import BaseEstimator, is_regressor
from sklearn.pipeline import Pipeline

from course_lib.i18n import _
from course_lib.serving.lean_skops import UntrustedTypesFoundException, skops_io
from course_lib.serving.reference import Reference
from course_lib.serving.schema import EXAMPLE_WINE, FEATURES

MOST_MODEL_BYTES = 256 << 20  # unpacked
REFERENCE_PLACES = ("reference.json", "extra_files/reference.json")  # the latter is where MLflow puts it


class RefusedModel(ValueError):
    """A model that must not, or can't, be loaded; one sentence says why."""


class SavedModel:
    """A regression model for wines, and the reference of the rows that it was trained on."""

    def __init__(self, estimator: BaseEstimator, reference: Reference):
        self.estimator = estimator
        self.reference = reference
        self._takes_names = not _works_without_names(estimator)

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """The quality of each of `rows`: (rows, 11) finite numbers, columns as in `FEATURES`; shape (rows,).

        Equals ``estimator.predict(DataFrame)`` and takes a tenth of its time for one row.
        """
        table = pd.DataFrame(rows, columns=list(FEATURES)) if self._takes_names else rows
        # The numbers have been checked when they came, the estimator's parameters when it was fitted.
        with config_context(assume_finite=True, skip_parameter_validation=True):
            return _predict(self.estimator, table)


def _predict(estimator: BaseEstimator, table: pd.DataFrame | np.ndarray) -> np.ndarray:
    """``estimator.predict(table)``; pipelines step by step: their own checks take a third of it."""
    if type(estimator) is not Pipeline:
        return estimator.predict(table)
    for _name, step in estimator.steps[:-1]:
        if step is not None and step != "passthrough":
            table = step.transform(table)
    return estimator[-1].predict(table)


def load_model(folder: Path) -> SavedModel:
    """The model that MLflow saved in `folder`; RefusedModel where it can't be loaded without risk."""
    file = folder / _skops_name(folder)
    _require_small(file)
    try:
        estimator = skops_io.load(file, trusted=[])
    except UntrustedTypesFoundException:
        names = ", ".join(skops_io.get_untrusted_types(file=file))
        sentence = _("The model contains {names}, which is not among the types that may be loaded.")
        raise RefusedModel(sentence.format(names=names[:200])) from None
    except Exception as error:  # whatever a damaged file makes of skops is a reason to refuse it
        sentence = _("The file {file} is damaged, or not in the skops format ({reason}).")
        raise RefusedModel(sentence.format(file=file.name, reason=type(error).__name__)) from error
    reference = _reference(folder)
    try:
        _require_for_wines(estimator)
        return SavedModel(estimator, reference)
    except RefusedModel:
        raise
    except Exception as error:  # an estimator from outside may fail in any way when it is tried
        sentence = _("A model that answers a wine with one finite number was expected.")
        raise RefusedModel(sentence) from error


def _skops_name(folder: Path) -> str:
    try:
        flavor = Model.load(str(folder)).flavors["sklearn"]
        form, name = flavor["serialization_format"], flavor["pickled_model"]
    except Exception as error:  # a file from outside: any error says that it is not what MLflow writes
        sentence = _("A scikit-learn model that MLflow has logged was expected ({reason}).")
        raise RefusedModel(sentence.format(reason=type(error).__name__)) from error
    if form != "skops":
        sentence = _(
            "The model is in the format {form}, and to load it is to run what stands in it: "
            "only skops is loaded."
        )
        raise RefusedModel(sentence.format(form=str(form)[:40]))
    if name != "model.skops":
        raise RefusedModel(_("The model's file was expected to be called model.skops."))
    return name


def _require_small(file: Path) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (OSError, zipfile.BadZipFile) as error:
        sentence = _("The file {file} is damaged, or not in the skops format ({reason}).")
        raise RefusedModel(sentence.format(file=file.name, reason=type(error).__name__)) from error
    if unpacked > MOST_MODEL_BYTES:
        sentence = _("A model of at most {most} bytes was expected, not one of {bytes}.")
        raise RefusedModel(sentence.format(most=MOST_MODEL_BYTES, bytes=unpacked))


def _require_for_wines(estimator) -> None:
    if not (isinstance(estimator, BaseEstimator) and is_regressor(estimator)):
        raise RefusedModel(_("A regression model of scikit-learn was expected."))
    names = tuple(getattr(estimator, "feature_names_in_", ()))
    if names != FEATURES:
        sentence = _("A model of the columns {expected} was expected, not of {names}.")
        raise RefusedModel(sentence.format(expected=", ".join(FEATURES), names=", ".join(names)[:200] or "?"))
    answer = estimator.predict(pd.DataFrame([EXAMPLE_WINE]))
    if np.shape(answer) != (1,) or not np.isfinite(answer).all():
        raise RefusedModel(_("A model that answers a wine with one finite number was expected."))


def _reference(folder: Path) -> Reference:
    for place in REFERENCE_PLACES:
        if (folder / place).is_file():
            try:
                reference = Reference.from_json((folder / place).read_text(encoding="utf-8"))
            except ValueError as error:
                raise RefusedModel(str(error)) from error
            if tuple(reference.features) == FEATURES:
                return reference
    raise RefusedModel(_("A reference.json of the training rows was expected beside the model."))


def _works_without_names(estimator: BaseEstimator) -> bool:
    """Take the columns' names out of `estimator` if it answers the same without: rows need no DataFrame.

    Its names are those of `FEATURES` and have been checked; it would warn at each row that has none.
    """
    wine = pd.DataFrame([EXAMPLE_WINE], dtype=float)
    expected = estimator.predict(wine)
    parts = [estimator, *(step for _name, step in getattr(estimator, "steps", ()))]
    named = [(part, part.feature_names_in_) for part in parts if "feature_names_in_" in vars(part)]
    for part, _names in named:
        del part.feature_names_in_
    try:
        with warnings.catch_warnings(action="error"):
            if np.array_equal(_predict(estimator, wine.to_numpy()), expected):
                return True
    except Exception:  # it selects columns by name, for example
        pass
    for part, names in named:
        part.feature_names_in_ = names
    return False
