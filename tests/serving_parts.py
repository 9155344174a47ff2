"""What the tests of serving share: models, a registry with two versions of one, an application in-process."""

import asyncio
import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
from filelock import FileLock
from sklearn.linear_model import ElasticNet
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from course_lib.data import wine_quality
from course_lib.serving.api import create_app
from course_lib.serving.champion import Champion, ServedModel
from course_lib.serving.monitoring import Monitoring
from course_lib.serving.reference import Reference
from course_lib.serving.saved_model import SavedModel
from course_lib.serving.schema import FEATURES

TABLE = wine_quality.load_data().drop_duplicates()
WINES, QUALITY = TABLE[list(FEATURES)], TABLE["quality"].astype(float)
RANDOM = np.random.default_rng(seed=7)
TRAINING = np.sort(RANDOM.permutation(len(WINES))[:1000])
X_TRAIN, Y_TRAIN = WINES.iloc[TRAINING], QUALITY.iloc[TRAINING]
X_TEST = WINES.drop(index=X_TRAIN.index)
PATIENCE = 60  # seconds that we wait for something that must happen


def fitted(model=None):
    """A pipeline that has been fitted to the training rows."""
    model = ElasticNet(alpha=0.01) if model is None else model
    return make_pipeline(StandardScaler(), model).fit(X_TRAIN, Y_TRAIN)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference.from_frame(X_TRAIN)


def served(reference: Reference, *, version: int = 1, model=None) -> ServedModel:
    """A version of the model as if it came from a registry."""
    return ServedModel("wine", version, SavedModel(fitted(model), reference), 1e9, 1e9 + version)


class FixedChampion(Champion):
    """A champion without a registry: `next_one` is what a look at it brings, a model or an error."""

    def __init__(self, current: ServedModel | None = None, next_one=None):
        super().__init__("sqlite://", "wine", "champion")
        self.current = current
        self.next_one = next_one or current

    def _refresh(self) -> bool:
        if isinstance(self.next_one, Exception):
            raise self.next_one
        changed, self.current = self.next_one is not self.current, self.next_one
        return changed


def talk(
    champion: Champion, conversation, *, monitoring: Monitoring | None = None, refresh_seconds: float = 10
):
    """What `conversation(http)` returns, held with an application in this very process."""

    async def run():
        app = create_app(champion, monitoring=monitoring, refresh_seconds=refresh_seconds)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
                return await conversation(http)

    return asyncio.run(run())


def ask(champion: Champion, monitoring: Monitoring | None = None, **request) -> httpx.Response:
    """The answer to one POST /predict."""
    return talk(champion, lambda http: http.post("/predict", **request), monitoring=monitoring)


def one_sentence(answer: httpx.Response) -> str:
    """The sentence of a refusal, which says nothing else."""
    body = answer.json()
    assert list(body) == ["error"]
    assert body["error"].endswith(".") and "\n" not in body["error"] and "Traceback" not in body["error"]
    return body["error"]


def memory_bytes() -> int:
    """What this process has had at most in memory."""
    import resource  # there is none on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def wait_until(condition, what: str) -> None:
    """Return when the condition holds, or fail."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE} seconds"
        time.sleep(0.05)


def make_registry(folder: Path) -> None:
    """A database with version 1 (ElasticNet) and 2 (SVR) of the model "wine", and files beside it."""
    import mlflow
    from mlflow import MlflowClient

    (folder / "reference.json").write_text(Reference.from_frame(X_TRAIN).to_json(), encoding="utf-8")
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    client = MlflowClient()
    experiment = client.create_experiment("/wine", artifact_location=(folder / "artifacts").as_uri())
    for model in (ElasticNet(alpha=0.01), SVR()):
        with mlflow.start_run(experiment_id=experiment):
            mlflow.sklearn.log_model(
                fitted(model),
                name="model",
                serialization_format="skops",
                extra_files=[str(folder / "reference.json")],
                pip_requirements=["scikit-learn"],
                registered_model_name="wine",
            )
    client.set_registered_model_alias("wine", "champion", "1")
    client.set_registered_model_alias("wine", "challenger", "2")


@pytest.fixture
def registry(tmp_path):
    """A registry of the test's own, with `uri`, `client` and `folder`; made once a run and copied."""
    from mlflow import MlflowClient

    template = Path(os.environ["COURSE_CACHE"]) / "wine-registry"
    with FileLock(f"{template}.lock"):
        if not (template / "finished").exists():  # its files are named by their whole paths: it can't move
            shutil.rmtree(template, ignore_errors=True)
            template.mkdir(parents=True)
            make_registry(template)
            (template / "finished").touch()
    database = (template / "mlflow.db").read_bytes()
    (tmp_path / "mlflow.db").write_bytes(database)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    return SimpleNamespace(uri=uri, client=MlflowClient(uri), folder=tmp_path)
