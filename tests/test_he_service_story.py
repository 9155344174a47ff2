"""The encrypted-inference service as callers know it: keys uploaded, ciphertexts scored, keys deleted."""

import concurrent.futures
import json
from pathlib import Path

import numpy as np
import pytest

import he_callers
from course_lib.he import EILinearRegressionClient, EIServer
from course_lib.he.deployment import deploy
from he_callers import COEFFS, INTERCEPT, Caller

service, http, caller = he_callers.service, he_callers.http, he_callers.caller


def test_a_stranger_gets_an_encrypted_answer(service, caller):
    assert service.scoring_uri == f"{service.process.url}/score"
    assert caller.accepts(service.run(caller.request()))


def test_the_older_fields_are_taken_and_forgotten(service, caller):
    password = "AccountKey=older-callers-sent-this"
    assert caller.accepts(service.run(caller.request(conn_str=password, container="keys")))
    assert "older-callers" not in service.process.log()
    assert all(
        b"older-callers" not in file.read_bytes()
        for file in Path(service.key_store).rglob("*")
        if file.is_file()
    )


def test_deleted_keys_are_of_no_use_from_then_on(service):
    caller = Caller(1)
    service.upload_keys(caller.key_id, caller.public_keys)
    for _worker in range(4):  # so that every worker has these keys in memory
        assert caller.accepts(service.run(caller.request()))
    service.delete_keys(caller.key_id)
    for _worker in range(4):
        with pytest.raises(ValueError, match="No public keys are stored"):
            service.run(caller.request())
    with pytest.raises(ValueError, match="No public keys are stored"):
        service.delete_keys(caller.key_id)


def test_services_share_nothing_but_the_key_store(service, caller):
    with deploy(COEFFS, INTERCEPT, key_store=service.key_store) as other:
        assert caller.accepts(other.run(caller.request()))
        guest = Caller(2)
        other.upload_keys(guest.key_id, guest.public_keys)
        assert guest.accepts(service.run(guest.request()))
        other.delete_keys(guest.key_id)
        with pytest.raises(ValueError, match="No public keys"):
            service.run(guest.request())


def test_health_says_which_model_there_is(http):
    assert http.get("/health").json() == {"status": "ok", "classes": 10, "features": 784}


def test_ten_clients_at_once_all_get_their_own_answer(service):
    callers = [Caller(seed) for seed in range(10)]

    def ask(caller: Caller) -> bool:
        service.upload_keys(caller.key_id, caller.public_keys)
        return all(caller.accepts(service.run(caller.request())) for _round in range(3))

    with concurrent.futures.ThreadPoolExecutor(10) as threads:
        assert list(threads.map(ask, callers)) == [True] * 10
    with pytest.raises(ValueError, match="can't be trusted"):  # had they got each other's
        callers[0].client.decrypt(service.run(callers[1].request()))


def test_more_classes_and_features_than_one_ciphertext_holds():
    random = np.random.default_rng(seed=6)
    coeffs, intercept = random.normal(size=(70, 2500)) / 50, random.normal(size=70)
    client = EILinearRegressionClient()
    key_id, public_keys = client.get_public_keys()
    values = random.random(2500)
    data = client.encrypt(values)
    with deploy(coeffs, intercept) as service:
        service.upload_keys(key_id, public_keys)
        reply = service.run(json.dumps({"data": data, "key_id": key_id}))
    assert np.allclose(client.decrypt(reply), coeffs @ values + intercept, atol=1e-3)
    assert len(reply) == len(EIServer(coeffs, intercept).predict(data, public_keys))
