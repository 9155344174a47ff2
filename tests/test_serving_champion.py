"""Which model answers: the registry's champion, and the last one while there is no other."""

import mlflow
import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

import serving_parts
from course_lib.serving.champion import Champion, NoChampion, without_password
from course_lib.serving.logs import LOGGER
from course_lib.serving.saved_model import RefusedModel
from serving_parts import WINES, fitted

registry = serving_parts.registry


def champion_of(registry, alias: str = "champion") -> Champion:
    return Champion(registry.uri, "wine", alias)


def test_the_alias_names_the_model(registry):
    for alias, version in (("champion", 1), ("challenger", 2)):
        champion = champion_of(registry, alias)
        assert champion.current is None
        assert champion.refresh() is True
        assert (champion.current.name, champion.current.version) == ("wine", version)
        assert champion.current.registered_at <= champion.current.loaded_at
        assert champion.refresh() is False


def test_moving_the_alias_exchanges_the_model_and_moving_it_back_brings_it_back(registry):
    champion = champion_of(registry)
    champion.refresh()
    rows = WINES.to_numpy()
    before, held = champion.current.model.predict(rows), champion.current
    registry.client.set_registered_model_alias("wine", "champion", "2")
    assert champion.refresh() is True
    assert champion.current.version == 2
    assert not np.allclose(champion.current.model.predict(rows), before)
    assert np.array_equal(held.model.predict(rows), before)  # a request that began before
    registry.client.set_registered_model_alias("wine", "champion", "1")
    assert champion.refresh() is True
    assert np.array_equal(champion.current.model.predict(rows), before)


def test_no_such_alias_or_model_is_told(registry):
    with pytest.raises(NoChampion, match=r'^The registry has no model "wine" with the alias "king"\.$'):
        Champion(registry.uri, "wine", "king").refresh()
    with pytest.raises(NoChampion, match=r'^The registry has no model "beer" with the alias "champion"\.$'):
        Champion(registry.uri, "beer", "champion").refresh()


def test_without_its_alias_the_model_stays_and_failure_says_why(registry):
    champion = champion_of(registry)
    champion.refresh()
    registry.client.delete_registered_model_alias("wine", "champion")
    with pytest.raises(NoChampion):
        champion.refresh()
    assert champion.current.version == 1 and "no model" in champion.failure
    registry.client.set_registered_model_alias("wine", "champion", "1")
    assert champion.refresh() is False
    assert champion.failure is None


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:9",
        "http://wine:secret@127.0.0.1:9",
        "http://127.0.0.1:9?user=wine&password=secret",
    ],
)
def test_a_registry_that_is_not_there_is_told_soon_and_its_address_to_the_log_alone(uri, caplog, monkeypatch):
    monkeypatch.setattr(LOGGER, "propagate", True)
    with pytest.raises(NoChampion, match=r"^The model registry at http://… can't be used") as error:
        Champion(uri, "wine", "champion").refresh()
    assert "127.0.0.1" not in str(error.value)
    (fields,) = [record.fields for record in caplog.records if record.msg == "registry can't be used"]
    assert "127.0.0.1:9" in fields["registry"] and "secret" not in str(fields)


@pytest.mark.parametrize(
    "uri", ["postgresql://db/mlflow?user=wine&password=sec@ret", "postgresql://wine:sec?ret@db/mlflow"]
)
def test_a_password_that_can_not_be_told_from_the_rest_hides_all(uri):
    assert without_password(uri) == "postgresql://…"


def test_an_error_of_another_library_leaves_the_model_too(registry, monkeypatch):
    """An object store's own error, for example, or a full disk."""
    champion = champion_of(registry)
    champion.refresh()
    registry.client.set_registered_model_alias("wine", "champion", "2")

    def fails(**_given):
        raise LookupError("secret")

    monkeypatch.setattr("course_lib.serving.champion.download_artifacts", fails)
    with pytest.raises(NoChampion, match="LookupError"):
        champion.refresh()
    assert champion.current.version == 1 and "LookupError" in champion.failure


def test_a_new_champion_that_is_refused_leaves_the_old_one(registry):
    champion = champion_of(registry)
    champion.refresh()
    mlflow.set_tracking_uri(registry.uri)
    for options in (
        {"serialization_format": "cloudpickle"},
        {"serialization_format": "skops", "skops_trusted_types": ["sklearn.tree._tree.Tree"]},
    ):
        with mlflow.start_run(experiment_id="1"):
            logged = mlflow.sklearn.log_model(
                fitted(RandomForestRegressor(2)), name="model", pip_requirements=["skops"], **options
            )
        version = registry.client.create_model_version("wine", logged.model_uri)
        registry.client.set_registered_model_alias("wine", "champion", version.version)
        with pytest.raises(RefusedModel) as refusal:
            champion.refresh()
        assert champion.current.version == 1 and champion.failure == str(refusal.value)


def test_no_file_of_a_loaded_model_is_left(registry, tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    champion_of(registry).refresh()
    assert list(folder.iterdir()) == []
