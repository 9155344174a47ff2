"""Models from a folder: what is loaded answers as before, and what could run code is not loaded."""

import json
import pickle
import shutil
import zipfile
from pathlib import Path

import mlflow.sklearn
import numpy as np
import pytest
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import ElasticNet, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

import serving_parts
from course_lib.serving import saved_model
from course_lib.serving.lean_skops import skops_io
from course_lib.serving.saved_model import RefusedModel, SavedModel, load_model
from serving_parts import QUALITY, WINES, X_TEST, X_TRAIN, Y_TRAIN, fitted

reference = serving_parts.reference


@pytest.fixture
def save(tmp_path, reference):
    """Saves a model as MLflow does, and returns the folder."""

    def save(model, *, trusted=None, **options) -> Path:
        folder, extra = tmp_path / "model", tmp_path / "reference.json"
        extra.write_text(reference.to_json(), encoding="utf-8")
        mlflow.sklearn.save_model(
            model,
            folder,
            extra_files=[str(extra)],
            pip_requirements=["scikit-learn"],
            skops_trusted_types=trusted,
            **{"serialization_format": "skops", **options},
        )
        return folder

    return save


def by_name():
    """A model that picks its columns by their names, and so can't do without them."""
    chosen = ColumnTransformer([("scaled", StandardScaler(), ["pH", "alcohol"])])
    return make_pipeline(chosen, ElasticNet(alpha=0.01)).fit(X_TRAIN, Y_TRAIN)


MODELS = {
    "ElasticNet": fitted,
    "SVR": lambda: fitted(SVR()),
    "no pipeline": lambda: ElasticNet(alpha=0.1).fit(X_TRAIN, Y_TRAIN),
    "columns by name": by_name,
    "scaled target": lambda: TransformedTargetRegressor(ElasticNet(), transformer=StandardScaler()).fit(
        X_TRAIN, Y_TRAIN
    ),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_loaded_model_answers_what_it_answered_to_a_dataframe(save, make, recwarn):
    model = make()
    expected = model.predict(X_TEST)
    loaded = load_model(save(model))
    recwarn.clear()
    assert np.array_equal(loaded.predict(X_TEST.to_numpy()), expected)
    one = np.array([loaded.predict(row[None])[0] for row in X_TEST.to_numpy()[:50]])
    np.testing.assert_allclose(one, expected[:50], rtol=1e-12)
    assert list(recwarn) == []


def test_the_reference_comes_with_it(save, reference):
    assert load_model(save(fitted())).reference.to_json() == reference.to_json()


def test_an_unpickled_model_would_have_run_code_and_is_not_loaded(save, tmp_path):
    folder = save(fitted(), serialization_format="pickle")
    proof = tmp_path / "this ran"
    (folder / "model.pkl").write_bytes(pickle.dumps(Runs(proof)))
    pickle.loads((folder / "model.pkl").read_bytes())
    assert proof.exists()  # so much for loading a pickle
    proof.unlink()
    with pytest.raises(RefusedModel, match=r"in the format pickle, .* only skops is loaded\."):
        load_model(folder)
    assert not proof.exists()


class Runs:
    """An object whose pickle writes a file when it is loaded."""

    def __init__(self, proof: Path):
        self.proof = proof

    def __reduce__(self):
        return Path.touch, (self.proof,)


def test_a_pickle_that_calls_itself_skops_is_not_loaded(save, tmp_path):
    folder, proof = save(fitted()), tmp_path / "this ran"
    (folder / "model.skops").write_bytes(pickle.dumps(Runs(proof)))
    with pytest.raises(RefusedModel, match="damaged, or not in the skops format"):
        load_model(folder)
    assert not proof.exists()


def tampered(folder: Path, change) -> Path:
    """The folder with `change(schema)` applied to what its skops file says of the types in it."""
    file = folder / "model.skops"
    with zipfile.ZipFile(file) as archive:
        parts = {entry: archive.read(entry) for entry in archive.namelist()}
    schema = json.loads(parts["schema.json"])
    change(schema)
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in (parts | {"schema.json": json.dumps(schema).encode()}).items():
            archive.writestr(name, content)
    return folder


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("posix", "system"), ("builtins", "eval"), ("subprocess", "Popen")],
)
def test_a_skops_file_with_a_function_of_python_in_it_is_not_loaded(save, tmp_path, module, name):
    proof = tmp_path / "this ran"

    def change(schema):
        call = {"__class__": name, "__module__": module, "__loader__": "FunctionNode", "__id__": 1}
        reduced = schema | {"__class__": name, "__module__": module, "__loader__": "ReduceNode"}
        argument = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "__id__": 2}
        argument |= {"content": json.dumps(f"touch '{proof}'"), "is_json": True}
        reduced |= {"reduce": {**argument, "content": [argument]}, "content": call}
        schema.update(reduced)

    folder = tampered(save(fitted()), change)
    with pytest.raises(RefusedModel):
        load_model(folder)
    assert not proof.exists()


@pytest.mark.parametrize("name", ["os.system", "test_serving_models.Runs", "course_lib.cache.cached"])
def test_another_type_in_a_skops_file_is_refused_by_name(save, name):
    module, _dot, kind = name.rpartition(".")
    folder = tampered(save(fitted()), lambda schema: schema.update(__class__=kind, __module__=module))
    with pytest.raises(RefusedModel, match=rf"contains {name}, which is not among the types"):
        load_model(folder)


def test_a_model_that_trusts_itself_is_refused_all_the_same(save):
    forest = make_pipeline(StandardScaler(), RandomForestRegressor(2)).fit(X_TRAIN, Y_TRAIN)
    folder = save(forest, trusted=["sklearn.tree._tree.Tree"])
    assert "sklearn.tree._tree.Tree" in (folder / "MLmodel").read_text()
    with pytest.raises(RefusedModel, match=r"contains sklearn\.tree\._tree\.Tree, which"):
        load_model(folder)


def test_a_file_that_unpacks_to_more_than_there_is_room_for_is_refused(save, monkeypatch):
    folder = save(fitted())
    with zipfile.ZipFile(folder / "model.skops", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(1 << 20))
    assert (folder / "model.skops").stat().st_size < 1 << 18
    monkeypatch.setattr(saved_model, "MOST_MODEL_BYTES", 1 << 18)
    monkeypatch.setattr(skops_io, "load", lambda *_given, **_more: pytest.fail("it was loaded"))
    with pytest.raises(RefusedModel, match="at most 262144 bytes"):
        load_model(folder)


def broken(folder: Path, name: str, content: bytes | None) -> Path:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("MLmodel", None, "A scikit-learn model that MLflow has logged"),
        ("MLmodel", b"flavors: {}", "A scikit-learn model that MLflow has logged"),
        (
            "MLmodel",
            b"!!python/object/apply:os.system ['true']",
            "A scikit-learn model that MLflow has logged",
        ),
        ("model.skops", None, "damaged, or not in the skops format"),
        ("model.skops", b"", "damaged, or not in the skops format"),
        ("model.skops", b"PK\x03\x04", "damaged, or not in the skops format"),
        ("extra_files/reference.json", None, r"A reference\.json of the training rows was expected"),
        ("extra_files/reference.json", b"{}", "A reference of training data"),
    ],
)
def test_a_damaged_folder_is_refused_with_a_sentence(save, name, content, sentence):
    with pytest.raises(RefusedModel, match=rf"{sentence}.*\.$"):
        load_model(broken(save(fitted()), name, content))


def test_a_name_that_leads_out_of_the_folder_is_refused(save, tmp_path):
    folder = save(fitted())
    shutil.copy(folder / "model.skops", tmp_path / "model.skops")
    text = (
        (folder / "MLmodel")
        .read_text()
        .replace("pickled_model: model.skops", "pickled_model: ../model.skops")
    )
    (folder / "MLmodel").write_text(text)
    with pytest.raises(RefusedModel, match=r"called model\.skops"):
        load_model(folder)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: LogisticRegression(max_iter=5000).fit(X_TRAIN, Y_TRAIN > 5), "A regression model"),
        (lambda: ElasticNet().fit(X_TRAIN.to_numpy(), Y_TRAIN), r"not of \?"),
        (lambda: ElasticNet().fit(X_TRAIN[reversed(WINES.columns)], Y_TRAIN), "A model of the columns"),
        (lambda: ElasticNet().fit(X_TRAIN.iloc[:, :10], Y_TRAIN), "A model of the columns"),
        (
            lambda: ElasticNet().fit(X_TRAIN, np.stack([Y_TRAIN, Y_TRAIN], axis=1)),
            "one finite number",
        ),
    ],
)
def test_a_model_of_something_else_is_refused(save, make, sentence):
    with pytest.raises(RefusedModel, match=sentence):
        load_model(save(make()))


def test_a_model_that_fails_when_it_is_tried_is_refused(save):
    """Whatever it raises: here there are no weights, as if the model had never been fitted."""
    model = fitted()
    del model[-1].coef_
    with pytest.raises(RefusedModel, match="one finite number"):
        load_model(save(model))


def test_one_row_needs_no_dataframe(save, monkeypatch):
    loaded = load_model(save(fitted()))
    monkeypatch.setattr(saved_model, "pd", None)
    assert loaded.predict(WINES.to_numpy()[:1]).shape == (1,)


def test_a_model_in_memory_is_left_as_it_answered(reference):
    model = by_name()
    SavedModel(model, reference)
    assert abs(model.predict(WINES) - QUALITY).mean() < 1
