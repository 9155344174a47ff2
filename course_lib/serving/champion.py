"""Which model answers: the one that an alias of the registry names, exchanged while requests run.

Promises: a request uses one model from its beginning to its end, since the exchange is one assignment; and
once there is a model, there is one for good: when the registry can't be reached, the alias is gone, or the
new model is refused, the service goes on with what it has, and `failure` says why. Leaves out splitting
requests between champion and challenger: a service for each, and a proxy before them, do that.
"""

import os
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

# Before MLflow is imported: a service must learn in seconds that the registry is gone, not in minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from course_lib.i18n import _
from course_lib.serving.logs import LOGGER
from course_lib.serving.saved_model import RefusedModel, SavedModel, load_model


class NoChampion(RuntimeError):
    """The registry can't be reached, or names no model under this alias; one sentence says which."""


@dataclass(frozen=True)
class ServedModel:
    """A version of the registered model, in memory; times are seconds since 1970."""

    name: str
    version: int
    model: SavedModel
    registered_at: float
    loaded_at: float


class Champion:
    """The model behind `alias` of the registered model `name`; `current` is None until one is loaded."""

    def __init__(self, tracking_uri: str, name: str, alias: str):
        self.name = name
        self.alias = alias
        self.current: ServedModel | None = None
        self.failure: str | None = None  # why the last refresh failed
        self._tracking_uri = tracking_uri
        self._connection: MlflowClient | None = None  # made at the first refresh: a database may be away
        self._refreshing = threading.Lock()

    def refresh(self) -> bool:
        """Load the model that the alias names now; return whether it is another one than before.

        Takes seconds, or up to two minutes where a database can't be reached, since MLflow tries again; so it
        is called in a thread of its own. Raises NoChampion or RefusedModel; the current model stays then.
        """
        with self._refreshing:
            try:
                changed = self._refresh()
            except (NoChampion, RefusedModel) as error:
                self.failure = str(error)
                raise
            except Exception as error:  # of a database, an object store's library, a full disk
                unreachable = self._unreachable(error)
                self.failure = str(unreachable)
                raise unreachable from error
            self.failure = None
            return changed

    def _refresh(self) -> bool:
        registered = self._registered()
        version, current = int(registered.version), self.current
        registered_at = registered.creation_timestamp / 1000
        if current and (version, registered_at) == (current.version, current.registered_at):
            return False
        with tempfile.TemporaryDirectory(prefix="course-model-") as folder:
            model = load_model(self._download(registered, folder))
        self.current = ServedModel(self.name, version, model, registered_at, time.time())
        return True

    def _registered(self) -> ModelVersion:
        try:
            return self._client.get_model_version_by_alias(self.name, self.alias)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                sentence = _('The registry has no model "{name}" with the alias "{alias}".')
                raise NoChampion(sentence.format(name=self.name, alias=self.alias)) from error
            raise

    def _download(self, registered: ModelVersion, folder: str) -> Path:
        place = registered.source  # where the files lie, or which logged model they belong to
        if place.startswith("models:/m-"):
            logged = self._client.get_logged_model(place.removeprefix("models:/"))
            place = logged.artifact_location
        return Path(download_artifacts(artifact_uri=place, dst_path=folder, tracking_uri=self._tracking_uri))

    @property
    def _client(self) -> MlflowClient:
        if self._connection is None:
            self._connection = MlflowClient(self._tracking_uri)
        return self._connection

    def _unreachable(self, error: Exception) -> NoChampion:
        """Callers read this sentence, so the address is not in it; it stands in the log."""
        uri = without_password(self._tracking_uri)
        fields = {"registry": uri, "reason": type(error).__name__}
        LOGGER.warning("registry can't be used", extra={"fields": fields})
        sentence = _("The model registry at {uri} can't be used ({reason}).")
        scheme, separator, _place = uri.rpartition("://")
        return NoChampion(sentence.format(uri=f"{scheme}{separator}…", reason=type(error).__name__))


def without_password(uri: str) -> str:
    """`uri` as it may stand in a log.

    >>> without_password("postgresql://wine:secret@db/mlflow?password=secret")
    'postgresql://…@db/mlflow?…'
    """
    scheme, separator, rest = uri.partition("://")
    place, options, hidden = rest.partition("?")  # a database takes its password there too
    if not separator or "@" in hidden:  # where the password ends can't be told
        return f"{scheme}://…" if separator else uri
    _credentials, at, place = place.rpartition("@")
    return f"{scheme}://{'…@' if at else ''}{place}{'?…' if options else ''}"
