"""A network behind the service that the linear model has: one key store, one wire format."""

import hashlib
import json
from pathlib import Path

import httpx
import numpy as np
import pytest

from course_lib.he import EINetworkClient, wire
from course_lib.he.deployment import deploy, deploy_network
from course_lib.he.keystore import KeyStore
from course_lib.he.parameters import NETWORK
from course_lib.he.plan import network_plan
from course_lib.he.scoring import load_server
from he_callers import BAD_BODIES, COEFFS, INTERCEPT, PATIENCE, UNKNOWN_ID, Caller, flip, one_sentence
from he_networks import SMALL, random_image, random_network
from test_he_service_life import start_in
from test_he_service_secrets import Wiretap, found, traces_of, unveiled

NET, IMAGE = random_network(SMALL), random_image(SMALL)


class NetworkCaller:
    """A client of the network with keys of its own and one image to ask about."""

    def __init__(self, layout: str = "im2col"):
        self.client = EINetworkClient(SMALL, layout)
        self.key_id, self.public_keys = self.client.get_public_keys()
        self.ciphertexts = self.client.encrypt(IMAGE)

    def request(self, **changes) -> str:
        return json.dumps({"data": self.ciphertexts, "key_id": self.key_id} | changes)

    def accepts(self, reply: list[str]) -> bool:
        return np.allclose(self.client.decrypt(reply), NET.scores(IMAGE), atol=0.05)


@pytest.fixture(scope="module")
def linear():
    """A linear model's service, and a caller whose keys it has."""
    caller = Caller()
    with deploy(COEFFS, INTERCEPT) as service:
        service.upload_keys(caller.key_id, caller.public_keys)
        yield service, caller


@pytest.fixture(scope="module")
def service(linear):
    """A network's service that shares its key store with the linear model's."""
    with deploy_network(NET, key_store=linear[0].key_store) as service:
        yield service


@pytest.fixture(scope="module")
def http(service):
    with httpx.Client(base_url=service.process.url, timeout=PATIENCE, trust_env=False) as http:
        yield http


@pytest.fixture(scope="module")
def caller(service):
    """One whose keys the network's service has."""
    caller = NetworkCaller()
    service.upload_keys(caller.key_id, caller.public_keys)
    return caller


def test_both_models_are_served_from_one_key_store(linear, service, http, caller):
    linear_service, linear_caller = linear
    assert caller.accepts(service.run(caller.request()))
    assert linear_caller.accepts(linear_service.run(linear_caller.request()))
    stored = KeyStore(service.key_store).key_ids()
    assert stored == sorted([caller.key_id, linear_caller.key_id])
    assert http.get("/health").json() == {"status": "ok", "classes": 3, "features": 64}


def test_each_model_refuses_what_is_meant_for_the_other(linear, service, caller):
    linear_service, linear_caller = linear
    for ask in (
        lambda: service.run(caller.request(key_id=linear_caller.key_id)),
        lambda: service.run(caller.request(data=linear_caller.ciphertexts * len(caller.ciphertexts))),
        lambda: linear_service.run(linear_caller.request(data=caller.ciphertexts[:1])),
        lambda: service.upload_keys(linear_caller.key_id, linear_caller.public_keys),
    ):
        with pytest.raises(ValueError, match="other parameters|At most"):
            ask()
    with pytest.raises(ValueError, match="At most|at most"):
        linear_service.upload_keys(caller.key_id, caller.public_keys)


def test_the_compact_layout_is_served_too():
    caller = NetworkCaller("compact")
    with deploy_network(NET, layout="compact") as service:
        service.upload_keys(caller.key_id, caller.public_keys)
        assert caller.accepts(service.run(caller.request()))


def test_bad_data_is_refused_with_a_sentence(service, http, caller):
    frame = wire.from_text(caller.ciphertexts[0])
    _count, payload = wire.unpack("values", frame, parameters=NETWORK)
    others = caller.ciphertexts[1:]

    def packed(payload=payload, kind="values", count=SMALL.features):
        return [wire.to_text(wire.pack(kind, payload, parameters=NETWORK, count=count)), *others]

    for what, data in {
        "no ciphertext": [],
        "too many": caller.ciphertexts * 2,
        "not base64": ["not base64!", *others],
        "a number": [1.5, *others],
        "truncated text": [caller.ciphertexts[0][:-4], *others],
        "bit flipped on the way": [wire.to_text(flip(frame, len(frame) // 2)), *others],
        "SEAL's header damaged": packed(flip(payload, 0)),
        "truncated for SEAL": packed(payload[:-100]),
        "nothing for SEAL": packed(b""),
        "other kind": packed(kind="scores"),
        "wrong count": packed(count=63),
    }.items():
        answer = http.post("/score", content=caller.request(data=data))
        assert answer.status_code == 400, what
        one_sentence(answer)
    assert caller.accepts(service.run(caller.request()))


@pytest.mark.parametrize("what", ["nothing", "half", "deeply nested", "a pickle", "no key id"])
def test_a_bad_body_is_refused_with_a_sentence(http, what):
    answer = http.post("/score", content=BAD_BODIES[what])
    assert answer.status_code == 400
    one_sentence(answer)


def test_bad_keys_are_refused_and_not_stored(service, http, caller):
    stored = KeyStore(service.key_store).key_ids()
    galois, relinearisation = wire.split(caller.public_keys, 2)
    for what, keys in {
        "nothing": b"",
        "no relinearisation key": galois,
        "no Galois keys": relinearisation,
        "truncated": caller.public_keys[:-1],
        "bit flipped": flip(caller.public_keys, len(galois) + 500),
        "ciphertext": wire.from_text(caller.ciphertexts[0]),
        "the secret key": wire.from_text(caller.client.secret_key()),
    }.items():
        answer = http.put(f"/keys/{hashlib.sha256(keys).hexdigest()}", content=keys)
        assert answer.status_code == 400, what
        one_sentence(answer)
    assert KeyStore(service.key_store).key_ids() == stored
    answer = http.post("/score", content=caller.request(key_id=UNKNOWN_ID))
    assert answer.status_code == 404


def test_keys_beyond_the_plans_bound_are_never_held(service, http, caller):
    most = network_plan(SMALL).needs.most_bytes
    answer = http.put(f"/keys/{UNKNOWN_ID}", content=bytes(most + 1))
    assert answer.status_code == 413
    assert f"at most {most} bytes" in one_sentence(answer)
    assert caller.accepts(service.run(caller.request()))


def test_the_secret_key_never_leaves_the_client(service, caller):
    traces = traces_of(caller.client.secret_key())
    with Wiretap(service.process.port) as tap, httpx.Client(trust_env=False, timeout=PATIENCE) as http:
        url = f"http://127.0.0.1:{tap.port}"
        http.put(f"{url}/keys/{caller.key_id}", content=caller.public_keys).raise_for_status()
        reply = http.post(f"{url}/score", content=caller.request())
        assert caller.accepts(reply.json())
        heard = bytes(tap.heard)
    assert caller.public_keys in heard and caller.ciphertexts[0].encode() in heard
    stored = (Path(service.key_store) / caller.key_id).read_bytes()
    assert caller.public_keys == stored
    betrayed = unveiled(heard + caller.request(data=[caller.client.secret_key()]).encode())
    assert [found(kind, betrayed) for kind in traces] == [True, True, True]
    seen = [*unveiled(heard), *unveiled(stored)]
    assert [found(kind, seen) for kind in traces] == [False, False, False]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"kernels": None}, "with the arrays"),
        ({"layout": None}, "with the arrays"),
        ({"weights": None}, "these are missing: weights"),
        ({"layout": np.array("wide")}, "One of the layouts im2col, compact was expected"),
        ({"geometry": np.array([8, 0])}, "some of another shape"),
        ({"constants": np.array([1.0, 2.0])}, "array constants of shape (3,) was expected"),
        ({"kernels": np.array([{}], dtype=object)}, "with the arrays"),
    ],
)
def test_a_model_file_that_is_none_is_refused_before_anything_is_served(tmp_path, changes, sentence):
    arrays = NET.arrays() | {"layout": np.array("im2col")} | changes
    np.savez(tmp_path / "model.npz", **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(ValueError) as refusal:
        load_server(tmp_path / "model.npz")
    assert sentence in str(refusal.value)


def test_a_service_that_can_not_start_says_why_in_one_sentence(tmp_path):
    arrays = NET.arrays() | {"layout": np.array("wide")}
    np.savez(tmp_path / "model.npz", **arrays)
    ended = start_in(tmp_path, {"--model": "model.npz", "--key-store": "keys", "--port": "1"})
    assert ended.returncode == 2
    assert "One of the layouts" in ended.stderr and "Traceback" not in ended.stderr


def test_a_network_that_is_none_is_refused_before_a_process_starts():
    with pytest.raises(ValueError, match="One of the layouts"):
        deploy_network(NET, layout="wide")
