"""MLflow's two servers as real processes: on SQLite, and on a real PostgreSQL with a real blob store."""

import json
import os
import pickle
import re
import secrets
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import mlflow
import numpy as np
import psutil
import psycopg2
import pytest
from azure.storage.blob import BlobServiceClient
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import ElasticNet
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from blob_store import azurite
from course_lib.serving.model_server import require_harmless, serve_with_mlflow
from course_lib.serving.reference import Reference
from course_lib.serving.runs import REQUIREMENTS, elastic_net, log_run, register, split_wines, support_vectors
from course_lib.serving.tracking import start_tracking_server
from postgres import postgres

SECONDS_TO_END = 30  # for processes whose parent was killed


@pytest.fixture(scope="module")
def wines():
    return split_wines()


@pytest.fixture(scope="module")
def reference(wines):
    return Reference.from_frame(wines.x_train)


@pytest.fixture(scope="module")
def sqlite_server():
    with start_tracking_server() as server:
        yield server


@pytest.fixture
def tracking(sqlite_server):
    """The server on SQLite, with the experiment that runs are logged to; others may have moved on since."""
    with logging_to(sqlite_server.uri):
        yield sqlite_server


@contextmanager
def logging_to(uri):
    """MLflow's settings for this process, put back at the end."""
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("/wine")
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)


@pytest.fixture(scope="module")
def logged(sqlite_server, wines, reference):
    """The id of a logged elastic net."""
    with logging_to(sqlite_server.uri):
        return log_run(elastic_net(alpha=0.03, l1_ratio=0.3), wines, reference)


def test_the_split_leaves_no_wine_on_both_sides(wines):
    rows = [{*map(tuple, part.to_numpy())} for part in (wines.x_train, wines.x_test)]
    assert [len(part) for part in rows] == [1087, 272]
    assert not rows[0] & rows[1]
    assert split_wines().x_test.equals(wines.x_test)


def test_a_run_holds_all_parameters_and_the_errors_of_cross_validation(tracking, logged, wines):
    (run,) = mlflow.search_runs(
        experiment_names=["/wine"], filter_string=f"tags.model_id = '{logged}'", output_format="list"
    )
    expected = ElasticNet(alpha=0.03, l1_ratio=0.3).get_params()
    assert run.data.params == {
        name: str(value) for name, value in (expected | {"family": "ElasticNet"}).items()
    }
    predicted = cross_val_predict(
        elastic_net(alpha=0.03, l1_ratio=0.3),
        wines.x_train,
        wines.y_train,
        cv=KFold(5, shuffle=True, random_state=0),
    )
    wrong = wines.y_train - predicted
    assert run.data.metrics == pytest.approx(
        {
            "rmse": (wrong**2).mean() ** 0.5,
            "mae": wrong.abs().mean(),
            "r2": 1 - (wrong**2).sum() / ((wines.y_train - wines.y_train.mean()) ** 2).sum(),
        }
    )
    assert run.info.status == "FINISHED"


def test_a_model_lies_there_with_signature_example_requirements_and_reference(
    tracking, logged, wines, reference, tmp_path
):
    folder = Path(download_artifacts(artifact_uri=f"models:/{logged}", dst_path=str(tmp_path)))
    description = Model.load(str(folder))
    assert description.signature.inputs.input_names() == list(wines.x_train.columns)
    assert {str(kind) for kind in description.signature.inputs.input_types()} == {"DataType.double"}
    example = json.loads((folder / "serving_input_example.json").read_text())["dataframe_split"]
    assert example["data"] == wines.x_train.head(2).to_numpy().tolist()
    assert (folder / "requirements.txt").read_text().split() == REQUIREMENTS
    assert all(re.fullmatch(r"[a-z-]+==\d[\w.]*", line) for line in REQUIREMENTS)
    kept = Reference.from_json((folder / "extra_files" / "reference.json").read_text(encoding="utf-8"))
    assert kept.threshold == reference.threshold
    assert not [path for path in folder.rglob("*") if path.suffix in (".pkl", ".pickle")]
    require_harmless(description)


def test_a_model_comes_back_the_same(tracking, logged, wines, tmp_path):
    fitted = elastic_net(alpha=0.03, l1_ratio=0.3).fit(wines.x_train, wines.y_train)
    loaded = mlflow.pyfunc.load_model(f"models:/{logged}", dst_path=str(tmp_path))
    np.testing.assert_allclose(loaded.predict(wines.x_test), fitted.predict(wines.x_test))


def test_a_forest_is_not_logged_and_its_run_fails(tracking, wines, reference):
    forest = make_pipeline(RandomForestRegressor(n_estimators=2))
    with pytest.raises(MlflowException, match=r"untrusted types"):
        log_run(forest, wines, reference)
    (run,) = mlflow.search_runs(
        experiment_names=["/wine"],
        filter_string="params.family = 'RandomForestRegressor'",
        output_format="list",
    )
    assert run.info.status == "FAILED"


def test_an_alias_moves_from_version_to_version(tracking, logged, wines, reference):
    client = mlflow.MlflowClient()
    first = register(logged, "moving")
    second = register(log_run(support_vectors(), wines, reference), "moving")
    assert second == first + 1
    assert client.get_model_version_by_alias("wine", "moving").version == str(second)
    client.set_registered_model_alias("wine", "moving", first)
    assert client.get_model_version_by_alias("wine", "moving").source == f"models:/{logged}"


def test_mlflow_serves_the_champion_to_curl_and_python(tracking, logged, wines):
    register(logged, "served")
    with serve_with_mlflow(tracking.uri, alias="served") as server:
        question = {"dataframe_split": wines.x_test.head(3).to_dict(orient="split", index=False)}
        answer = httpx.post(f"{server.url}/invocations", json=question, trust_env=False)
        fitted = elastic_net(alpha=0.03, l1_ratio=0.3).fit(wines.x_train, wines.y_train)
        expected = fitted.predict(wines.x_test.head(3))
        assert "--model-uri models:" not in server.command  # the copy that was looked at
        np.testing.assert_allclose(answer.json()["predictions"], expected)
        family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    assert not [process for process in family if process.is_running()]


def test_a_pickle_is_not_served_though_mlflow_would_load_it(tracking, wines):
    with mlflow.start_run():
        model = elastic_net(alpha=0.1, l1_ratio=0.1).fit(wines.x_train, wines.y_train)
        pickled = mlflow.sklearn.log_model(
            model, name="model", serialization_format="pickle", pip_requirements=REQUIREMENTS
        )
    register(pickled.model_id, "pickled")
    with pytest.raises(ValueError, match="serialization_format skops"):
        serve_with_mlflow(tracking.uri, alias="pickled")


class Runs:
    """An object whose pickle writes a file when it is loaded."""

    def __init__(self, proof):
        self.proof = proof

    def __reduce__(self):
        return Path.touch, (self.proof,)


def test_an_honest_description_that_leads_to_a_pickle_elsewhere_runs_nothing(tracking, wines, tmp_path):
    folder, proof = tmp_path / "model", tmp_path / "this ran"
    model = elastic_net(alpha=0.1, l1_ratio=0.1).fit(wines.x_train, wines.y_train)
    mlflow.sklearn.save_model(model, str(folder), serialization_format="skops", pip_requirements=REQUIREMENTS)
    (folder / "sub").mkdir()
    (folder / "sub" / "x").write_bytes(pickle.dumps(Runs(proof)))
    description = folder / "MLmodel"
    description.write_text(
        description.read_text().replace("  python_function:\n", "  python_function:\n    data: sub/x\n")
    )
    with pytest.raises(Exception):  # noqa: B017  whatever it says after it has run
        mlflow.pyfunc.load_model(str(folder)).predict(wines.x_test)
    assert proof.exists()  # so much for MLflow's own loader
    proof.unlink()
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(folder), "forged")
    client = mlflow.MlflowClient()
    if not client.search_registered_models("name = 'wine'"):
        client.create_registered_model("wine")
    version = client.create_model_version("wine", f"{run.info.artifact_uri}/forged", run.info.run_id)
    client.set_registered_model_alias("wine", "forged", version.version)
    with pytest.raises(ValueError, match="with data None .* but there stands sub/x"):
        serve_with_mlflow(tracking.uri, alias="forged")
    assert not proof.exists()


@pytest.mark.parametrize(
    ("flavor", "entry", "value"),
    [
        ("sklearn", "serialization_format", "cloudpickle"),
        ("sklearn", "serialization_format", None),
        ("sklearn", "skops_trusted_types", ["builtins.eval"]),
        ("sklearn", "code", "code"),
        ("python_function", "code", "code"),
        ("python_function", "loader_module", "os"),
        ("python_function", "data", "sub/model.pkl"),
        ("python_function", "model_path", "model.pkl"),
    ],
)
def test_what_could_run_code_is_named(flavor, entry, value):
    flavors = {
        "python_function": {"loader_module": "mlflow.sklearn", "model_path": "model.skops"},
        "sklearn": {"serialization_format": "skops", "skops_trusted_types": None, "code": None},
    }
    require_harmless(Model(flavors=flavors))
    flavors[flavor][entry] = value
    with pytest.raises(ValueError, match=rf"with {entry} .* but there stands"):
        require_harmless(Model(flavors=flavors))


def test_stopping_leaves_no_process_port_or_file(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    server = start_tracking_server()
    process = psutil.Process(server.process.pid)
    family = [process, *process.children(recursive=True)]
    assert (next(tmp_path.glob("course-tracking-*")) / "mlflow.db").exists()
    server.stop()
    server.stop()  # harmless
    assert not list(tmp_path.glob("course-tracking-*"))
    assert not [member for member in family if member.is_running()]
    start = socket.create_server(("127.0.0.1", server.process.port))
    start.close()


def test_an_alias_that_nobody_set(tracking, logged):
    register(logged, "champion")
    with pytest.raises(MlflowException, match="nobody"):
        serve_with_mlflow(tracking.uri, alias="nobody")


def test_a_port_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(RuntimeError, match="cannot have port"):
            start_tracking_server(port=taken.getsockname()[1])


def test_other_peoples_pages_may_not_ask(tracking):
    """A page elsewhere could point its own name at this machine; MLflow looks at the name it is asked by."""
    address = f"{tracking.uri}/api/2.0/mlflow/experiments/get-by-name?experiment_name=/wine"
    assert httpx.get(address, trust_env=False).status_code == 200
    assert httpx.get(address, headers={"Host": "evil.example.org"}, trust_env=False).status_code == 403


@pytest.mark.usefixtures("logged")
def test_the_command_starts_the_same_server_without_us(tracking):
    words = tracking.command.split()
    assert words[:4] == ["python", "-m", "mlflow", "server"]
    options = dict(zip(words[4::2], words[5::2], strict=True))
    assert options["--backend-store-uri"].startswith("sqlite:////")
    assert Path(options["--artifacts-destination"], "1", "models").is_dir()


def test_a_killed_notebook_leaves_no_server(tmp_path):
    program = (
        "from course_lib.serving.tracking import start_tracking_server as start\n"
        "server = start()\n"
        "print(server.process.pid, server.process.port, flush=True)\n"
        "input()\n"
    )
    notebook = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},  # who is killed can't remove it
    )
    with notebook:
        pid, port = map(int, notebook.stdout.readline().split())
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        assert len(family) == 2  # MLflow's command and its one worker; no jobs
        notebook.send_signal(signal.SIGKILL)
    _gone, left = psutil.wait_procs(family, timeout=SECONDS_TO_END)
    assert not left
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_postgresql_a_blob_store_and_a_hub_by_settings_alone(tmp_path, monkeypatch, wines, reference):
    """Runs are still there after another server has been started; passwords stand on no command line."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")  # Azure's client asks the environment for a proxy
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    (tmp_path / "blobs").mkdir()
    with postgres() as database, azurite(tmp_path / "blobs") as connection:
        container = f"container-{secrets.token_hex(4)}"
        blobs = BlobServiceClient.from_connection_string(connection).create_container(container)
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection)  # read by the server
        places = {
            # SQLAlchemy would take another driver for a bare "postgresql:".
            "backend_store_uri": database.replace("postgresql:", "postgresql+psycopg2:"),
            "artifacts": f"wasbs://{container}@course.blob.core.windows.net/mlflow",
        }
        with start_tracking_server(**places) as first, logging_to(first.uri):
            version = register(log_run(elastic_net(alpha=0.1, l1_ratio=0.5), wines, reference), "champion")
            _no_secret_is_seen(first, database, connection)
            assert first.page("1") == f"/user/ada/proxy/{first.process.port}/#/experiments/1"
            seen_from_a_browser = {"Host": "hub.example.org", "Origin": "https://hub.example.org"}
            answer = httpx.post(
                f"{first.uri}/ajax-api/2.0/mlflow/runs/search",
                json={"experiment_ids": ["1"]},
                headers=seen_from_a_browser,
                trust_env=False,
            )
            assert len(answer.json()["runs"]) == 1
        assert any(blob.name.endswith("model.skops") for blob in blobs.list_blobs())

        with start_tracking_server(**places) as second, logging_to(second.uri):
            client = mlflow.MlflowClient()
            champion = client.get_model_version_by_alias("wine", "champion")
            assert int(champion.version) == version
            loaded = mlflow.pyfunc.load_model("models:/wine@champion", dst_path=str(tmp_path))
            fitted = elastic_net(alpha=0.1, l1_ratio=0.5).fit(wines.x_train, wines.y_train)
            np.testing.assert_allclose(loaded.predict(wines.x_test), fitted.predict(wines.x_test))
        with psycopg2.connect(database) as rows, rows.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM runs")
            assert cursor.fetchone() == (1,)


def _no_secret_is_seen(server, database, connection):
    password = re.search(r"course:(\w+)@", database)[1]
    account_key = re.search(r"AccountKey=([^;]+)", connection)[1]
    process = psutil.Process(server.process.pid)
    lines = [" ".join(each.cmdline()) for each in (process, *process.children(recursive=True))]
    for text in (*lines, server.command, server.process.log(), repr(server)):
        assert password not in text and account_key not in text
