"""Training runs: fit a model of wine quality, say how wrong it is, and log all of it with MLflow.

Promises: a run holds every parameter of its model, the errors on wines that it was not fitted to, and the
model in the skops format, which is built not to run code when it is loaded (keep skops up to date: it has
had holes), with its signature, an example, exact requirements, and what the measurements of its training
wines look like (`reference`). Logging takes well under a second since MLflow need not guess the requirements.
Leaves out the choice of parameters, and models that skops does not know to be safe: trees, for instance,
whose nodes point into memory unchecked.
"""

from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import mlflow
import pandas as pd
from mlflow.models import infer_signature
from sklearn.linear_model import ElasticNet
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import KFold, cross_val_predict, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from course_lib.data import wine_quality
from course_lib.serving import lean_skops  # noqa: F401  before MLflow imports skops
from course_lib.serving.reference import Reference

EXPERIMENT, MODEL_NAME = "/wine", "wine"
REQUIREMENTS = [f"{name}=={version(name)}" for name in ("mlflow", "numpy", "pandas", "scikit-learn", "skops")]


class Wines(NamedTuple):
    """Measurements, a row each under UCI's column names, and the tasters' scores as floats."""

    x_train: pd.DataFrame
    x_test: pd.DataFrame
    y_train: pd.Series
    y_test: pd.Series


def split_wines() -> Wines:
    """Return the different wines, four fifths to train with and one fifth to test, always the same.

    Copies of a row are taken out first: one on each side would make the test too easy.

    >>> wines = split_wines()
    >>> wines.x_train.shape, wines.x_test.shape
    ((1087, 11), (272, 11))
    """
    wine = wine_quality.load_data().drop_duplicates()
    quality = wine.pop("quality").astype(float)
    return Wines(*train_test_split(wine, quality, test_size=0.2, random_state=42))


def elastic_net(*, alpha: float, l1_ratio: float) -> Pipeline:
    """A linear model on standardised measurements; `alpha` pulls its weights to zero, `l1_ratio` says how."""
    return make_pipeline(StandardScaler(), ElasticNet(alpha=alpha, l1_ratio=l1_ratio))


def support_vectors(*, C: float = 1.0, gamma: float = 0.01, epsilon: float = 0.3) -> Pipeline:
    """Support vector regression on standardised measurements, with scikit-learn's names of its parameters."""
    return make_pipeline(StandardScaler(), SVR(C=C, gamma=gamma, epsilon=epsilon))


def errors(y, predicted) -> dict[str, float]:
    """How wrong predictions are: RMSE and MAE in points of quality, and R², the share of variance explained.

    >>> {name: round(value, 2) for name, value in errors([5, 6, 7], [5, 6, 6]).items()}
    {'rmse': 0.58, 'mae': 0.33, 'r2': 0.5}
    """
    return {
        "rmse": float(root_mean_squared_error(y, predicted)),
        "mae": float(mean_absolute_error(y, predicted)),
        "r2": float(r2_score(y, predicted)),
    }


def log_run(model: Pipeline, wines: Wines, reference: Reference) -> str:
    """Fit `model`, log the run in MLflow's current experiment, and return the id of the logged model.

    The errors are those of five-fold cross-validation on the training wines: each wine is predicted by a
    model that has not seen it. The test wines are not looked at. Raises MlflowException for a model that
    skops cannot load without being told whom to trust.
    """
    with mlflow.start_run(), TemporaryDirectory() as folder:
        mlflow.log_params({"family": type(model[-1]).__name__, **model[-1].get_params()})
        folds = KFold(5, shuffle=True, random_state=0)
        predicted = cross_val_predict(model, wines.x_train, wines.y_train, cv=folds)
        mlflow.log_metrics(errors(wines.y_train, predicted))
        model.fit(wines.x_train, wines.y_train)
        reference_file = Path(folder, "reference.json")
        reference_file.write_text(reference.to_json(), encoding="utf-8")
        logged = mlflow.sklearn.log_model(
            model,
            name="model",
            serialization_format="skops",
            signature=infer_signature(wines.x_train, predicted),
            input_example=wines.x_train.head(2),
            pip_requirements=REQUIREMENTS,
            extra_files=[str(reference_file)],
        )
        mlflow.set_tag("model_id", logged.model_id)
    return logged.model_id


def register(model_id: str, alias: str) -> int:
    """Make the logged model the newest version of ``wine``, point `alias` at it, and return its number."""
    client = mlflow.MlflowClient()
    if not client.search_registered_models(f"name = '{MODEL_NAME}'"):
        client.create_registered_model(MODEL_NAME)
    registered = client.create_model_version(MODEL_NAME, source=f"models:/{model_id}", model_id=model_id)
    client.set_registered_model_alias(MODEL_NAME, alias, registered.version)
    return int(registered.version)
