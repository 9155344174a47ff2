"""What the encrypted-inference service refuses, and that it says why in one sentence."""

import hashlib

import pytest

import he_callers
from course_lib.he import wire
from course_lib.he.keystore import KeyStore
from course_lib.he.parameters import LINEAR
from he_callers import BAD_BODIES, UNKNOWN_ID, Caller, bad_data, flip, one_sentence

service, http, caller = he_callers.service, he_callers.http, he_callers.caller


def test_bad_data_is_refused_with_a_sentence(service, http, caller):
    for what, data in bad_data(caller).items():
        answer = http.post("/score", content=caller.request(data=data))
        assert answer.status_code == 400, what
        one_sentence(answer)
    assert caller.accepts(service.run(caller.request()))


@pytest.mark.parametrize("what", BAD_BODIES)
def test_a_bad_body_is_refused_with_a_sentence(http, what):
    answer = http.post("/score", content=BAD_BODIES[what])
    assert answer.status_code == 400
    assert len(one_sentence(answer)) < 200


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_a_request_with_what_is_no_number_is_no_json(http, caller, value):
    answer = http.post("/score", content=f'{{"x": {value}, {caller.request()[1:]}')
    assert answer.status_code == 400
    assert "JSON" in one_sentence(answer)


def test_unknown_keys_are_not_found(http, caller):
    answer = http.post("/score", content=caller.request(key_id=UNKNOWN_ID))
    assert answer.status_code == 404
    assert UNKNOWN_ID in one_sentence(answer)


def test_of_fields_given_twice_the_last_counts(service, caller):
    assert caller.accepts(service.run('{"key_id": "x", ' + caller.request()[1:]))


def bad_keys(caller: Caller) -> dict[str, bytes]:
    _count, payload = wire.unpack("galois keys", caller.public_keys, parameters=LINEAR)

    def packed(payload, kind="galois keys"):
        return wire.pack(kind, payload, parameters=LINEAR, count=11)

    return {
        "nothing": b"",
        "something else": b"something else",
        "truncated": caller.public_keys[:-1],
        "bit flipped": flip(caller.public_keys, 5000),
        "ciphertext": wire.from_text(caller.ciphertexts[0]),
        "the secret key": wire.from_text(caller.client.secret_key()),
        "the secret key in disguise": packed(
            wire.unpack("secret key", wire.from_text(caller.client.secret_key()), parameters=LINEAR)[1]
        ),
        "SEAL's header damaged": packed(flip(payload, 0)),
        "other kind": packed(payload, "values")[:60_000],
        "truncated for SEAL": packed(payload[: len(payload) // 2]),
    }


def test_bad_keys_are_refused_and_not_stored(service, http, caller):
    stored = KeyStore(service.key_store).key_ids()
    for what, public_keys in bad_keys(caller).items():
        answer = http.put(f"/keys/{hashlib.sha256(public_keys).hexdigest()}", content=public_keys)
        assert answer.status_code == 400, what
        one_sentence(answer)
    answer = http.put(f"/keys/{UNKNOWN_ID}", content=caller.public_keys)
    assert answer.status_code == 400
    assert caller.key_id in one_sentence(answer)
    assert KeyStore(service.key_store).key_ids() == stored


BAD_PATHS = [
    "..%2F..%2Fetc%2Fpasswd",
    "%2e%2e%2f",
    "a/b",
    "A" * 64,
    "0" * 63,
    "0" * 65,
    "%00" * 64,
    "é",
    "x" * 9000,
    "{key_id}%0A",
]


@pytest.mark.parametrize("path", BAD_PATHS)
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_key_id_that_is_none_is_refused(http, caller, method, path):
    path = path.format(key_id=caller.key_id)
    body = caller.public_keys if method == "PUT" else None
    answer = http.request(method, f"/keys/{path}", content=body)
    assert answer.status_code == 400
    assert "64 hexadecimal digits" in one_sentence(answer)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/keys/" + UNKNOWN_ID, 405),
        ("GET", "/score", 405),
        ("POST", "/health", 405),
    ],
)
def test_other_addresses_have_a_sentence_too(http, method, path, status):
    answer = http.request(method, path)
    assert answer.status_code == status
    assert "/docs" in one_sentence(answer)
