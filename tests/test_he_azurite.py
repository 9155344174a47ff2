"""The whole story with the key store on Azure Blob Storage, spoken by Azurite, Microsoft's emulator."""

import json
import secrets

import fsspec
import numpy as np
import pytest

from blob_store import azurite
from course_lib.he import EILinearRegressionClient
from course_lib.he.deployment import deploy
from course_lib.he.keystore import KeyStore, KeyStoreError, UnknownKeyId

RANDOM = np.random.default_rng(seed=6)
COEFFS, INTERCEPT = RANDOM.normal(size=(10, 784)), RANDOM.normal(size=10)


@pytest.fixture(scope="module")
def connection_string(tmp_path_factory):
    """How to reach a storage account that is there for these tests alone."""
    with azurite(tmp_path_factory.mktemp("azurite")) as connection:
        yield connection


@pytest.fixture
def key_store_url(connection_string, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")  # Azure's client asks the environment for a proxy
    monkeypatch.setenv("FSSPEC_ABFS_CONNECTION_STRING", connection_string)  # read by the service
    monkeypatch.setitem(fsspec.config.conf, "abfs", {"connection_string": connection_string})  # and here
    container = f"container-{secrets.token_hex(4)}"
    fsspec.filesystem("abfs").mkdir(container)
    return f"abfs://{container}/public-keys"


def test_an_encrypted_answer_with_keys_in_a_blob_store(key_store_url):
    client = EILinearRegressionClient()
    key_id, public_keys = client.get_public_keys()
    values = RANDOM.random(784)
    request = json.dumps({"data": client.encrypt(values), "key_id": key_id})
    store = KeyStore(key_store_url)
    blob = fsspec.open(f"{key_store_url}/{key_id}")
    with deploy(COEFFS, INTERCEPT, key_store=key_store_url) as service:
        with pytest.raises(ValueError, match="No public keys are stored"):
            service.run(request)
        service.upload_keys(key_id, public_keys)
        assert store.key_ids() == [key_id]
        with blob as file:
            assert file.read() == public_keys
        for _worker in range(4):
            scores = client.decrypt(service.run(request))
            assert np.allclose(scores, COEFFS @ values + INTERCEPT, atol=1e-3)

        service.delete_keys(key_id)
        assert store.key_ids() == []
        with pytest.raises(FileNotFoundError), blob as file:
            file.read()
        for _worker in range(4):
            with pytest.raises(ValueError, match="No public keys are stored"):
                service.run(request)

        service.upload_keys(key_id, public_keys)
        service.run(request)
        store.delete(key_id)  # by another process: this one
        with pytest.raises(ValueError, match="No public keys are stored"):
            service.run(request)
        assert "AccountKey" not in service.process.log()


def test_a_container_that_is_not_there(key_store_url):
    key_id, public_keys = EILinearRegressionClient().get_public_keys()
    store = KeyStore(key_store_url.replace("container", "missing"))
    assert key_id not in store
    with pytest.raises(KeyStoreError):
        store.put(key_id, public_keys)


def test_a_deletion_elsewhere_is_seen_after_a_listing(key_store_url):
    store = KeyStore(key_store_url)
    key_id, public_keys = EILinearRegressionClient().get_public_keys()
    assert store.key_ids() == []
    store.put(key_id, public_keys)
    assert store.get(key_id) == public_keys
    assert store.key_ids() == [key_id]  # fsspec remembers listings
    elsewhere = fsspec.filesystem("abfs", skip_instance_cache=True)
    elsewhere.rm_file(f"{key_store_url}/{key_id}")
    assert key_id not in store
    for use in (store.get, store.delete):
        with pytest.raises(UnknownKeyId):
            use(key_id)
