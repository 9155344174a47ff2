"""MLflow's own way to serve a model: ``mlflow models serve``, in a process of its own.

Promises: a server that answers POST /invocations when `serve_with_mlflow` returns, and that loads a model
only in the skops format, of scikit-learn, with no types beyond those that skops knows to be safe. MLflow
itself loads what the model's own description asks for, pickles and lists of trusted types included; so the
model is fetched once, its description is looked at, and that very copy is served.
Leaves out an environment for the model: it is served with the packages that are installed here.
"""

from tempfile import TemporaryDirectory

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.models import Model

from course_lib.i18n import _
from course_lib.processes import HOST, ServerProcess, start_server
from course_lib.serving.tracking import SECONDS_TO_START, SETTINGS


def serve_with_mlflow(
    tracking_uri: str, *, model: str = "wine", alias: str = "champion", port: int | None = None
) -> ServerProcess:
    """Start ``mlflow models serve`` for the version that `alias` names now, and return when it answers.

    A later change of the alias is not noticed. `port` is a free one unless given. Raises MlflowException
    where the tracking server has no such alias, ValueError for a model that could run code when it is loaded,
    RuntimeError where the server does not start.
    """
    client = MlflowClient(tracking_uri)
    version = client.get_model_version_by_alias(model, alias)
    place = client.get_model_version_download_uri(model, version.version)
    with TemporaryDirectory(prefix="course-model-") as folder:
        here = download_artifacts(artifact_uri=place, dst_path=folder, tracking_uri=tracking_uri)
        require_harmless(Model.load(here))
        # Fetched again, it could be another one. The server has it in memory when it answers.
        return start_server(
            [
                *("-m", "course_lib.serving.mlflow_command", "models", "serve"),
                *("--model-uri", here, "--env-manager", "local", "--host", HOST),
            ],
            name=_("MLflow's model server"),
            ready_path="/ping",
            port=port,
            timeout=SECONDS_TO_START,
            env={**SETTINGS, "MLFLOW_TRACKING_URI": tracking_uri},
        )


def require_harmless(description: Model) -> None:
    """Raise ValueError where loading the model that an MLmodel file describes could run code."""
    flavors = description.flavors
    sklearn, pyfunc = flavors.get("sklearn", {}), flavors.get("python_function", {})
    found = {
        "serialization_format": sklearn.get("serialization_format"),
        "skops_trusted_types": sklearn.get("skops_trusted_types"),
        "code": sklearn.get("code") or pyfunc.get("code"),
        "loader_module": pyfunc.get("loader_module"),
        "data": pyfunc.get("data"),  # another place, where MLflow looks for another description
        "model_path": pyfunc.get("model_path"),
    }
    expected = {
        "serialization_format": "skops",
        "skops_trusted_types": None,
        "code": None,
        "loader_module": "mlflow.sklearn",
        "data": None,
        "model_path": "model.skops",
    }
    for name, value in expected.items():
        if found[name] != value:
            raise ValueError(
                _(
                    "A model that cannot run code when it is loaded was expected, with {name} {expected} "
                    "in its MLmodel file, but there stands {found}."
                ).format(name=name, expected=value, found=found[name])
            )
