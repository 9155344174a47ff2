"""Callers of the encrypted-inference service, good and bad, and what its tests share.

A test module takes the fixtures that it needs: `service = he_callers.service`.
"""

import asyncio
import base64
import json
import pickle
import time

import httpx
import numpy as np
import psutil
import pytest

from course_lib.he import EILinearRegressionClient, wire
from course_lib.he.deployment import deploy
from course_lib.he.endpoints import create_app
from course_lib.he.parameters import LINEAR, Parameters

RANDOM = np.random.default_rng(seed=5)
COEFFS, INTERCEPT = RANDOM.normal(size=(10, 784)), RANDOM.normal(size=10)
UNKNOWN_ID = "0" * 64
PATIENCE = 20  # seconds that we wait for something that must happen


@pytest.fixture(scope="module")
def service():
    """A service for the module's tests."""
    with deploy(COEFFS, INTERCEPT) as service:
        yield service


@pytest.fixture(scope="module")
def http(service):
    """Requests to that service, good or not."""
    with httpx.Client(base_url=service.process.url, timeout=PATIENCE, trust_env=False) as http:
        yield http


class Caller:
    """A client with keys of its own and one digit to ask about."""

    def __init__(self, seed: int = 0):
        self.client = EILinearRegressionClient()
        self.key_id, self.public_keys = self.client.get_public_keys()
        self.values = np.random.default_rng(seed).random(784)
        self.ciphertexts = self.client.encrypt(self.values)

    def request(self, **changes) -> str:
        return json.dumps({"data": self.ciphertexts, "key_id": self.key_id} | changes)

    def accepts(self, reply: list[str]) -> bool:
        return np.allclose(self.client.decrypt(reply), COEFFS @ self.values + INTERCEPT, atol=1e-3)


@pytest.fixture(scope="module")
def caller(service):
    """One whose keys that service has."""
    caller = Caller()
    service.upload_keys(caller.key_id, caller.public_keys)
    return caller


def wait_until(condition, what: str) -> None:
    """Return when the condition holds, or fail."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE} seconds"
        time.sleep(0.01)


def children_of(service) -> list[psutil.Process]:
    """The service's workers."""
    return psutil.Process(service.process.pid).children(recursive=True)


def one_sentence(answer: httpx.Response) -> str:
    """The sentence of a refusal, which says nothing else."""
    body = answer.json()
    assert list(body) == ["error"]
    assert body["error"].endswith(".") and "\n" not in body["error"] and "Traceback" not in body["error"]
    return body["error"]


def flip(data: bytes, position: int) -> bytes:
    """`data` with one bit of one byte changed."""
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


def bad_data(caller: Caller) -> dict[str, list]:
    """What a request's `data` should not be, by what is wrong with it."""
    frame = wire.from_text(caller.ciphertexts[0])
    _count, payload = wire.unpack("values", frame, parameters=LINEAR)
    other_parameters = Parameters(8192, (60, 49, 60), 2.0**26, 2.0**23)

    def packed(payload=payload, kind="values", parameters=LINEAR, count=784):
        return [wire.to_text(wire.pack(kind, payload, parameters=parameters, count=count))]

    return {
        "no ciphertext": [],
        "too many": caller.ciphertexts * 2,
        "empty text": [""],
        "not base64": ["not base64!"],
        "base64 of something else": [base64.b64encode(b"something else").decode()],
        "not ASCII": ["é" * 100],
        "half a surrogate": ["\ud800"],
        "a number": [1.5],
        "null": [None],
        "nested": [caller.ciphertexts],
        "truncated text": [caller.ciphertexts[0][:-4]],
        "truncated ciphertext": packed(payload[:-100]),
        "bit flipped on the way": [wire.to_text(flip(frame, len(frame) // 2))],
        "SEAL's header damaged": packed(flip(payload, 0)),
        "nothing for SEAL": packed(b""),
        "other kind": packed(kind="scores"),
        "public keys": [wire.to_text(caller.public_keys)],
        "other parameters": packed(parameters=other_parameters),
        "too few values": caller.client.encrypt(caller.values[:100]),
        "wrong count": packed(count=783),
    }


BAD_BODIES = {
    "nothing": b"",
    "no JSON": b"hello",
    "a list": b"[]",
    "null": b"null",
    "half": b'{"data": ["',
    "NaN": b'{"data": [NaN], "key_id": "0"}',
    "NaN elsewhere": b'{"data": [], "key_id": "0", "x": NaN}',
    "infinity": b'{"data": [-Infinity], "key_id": "0"}',
    "huge number": b'{"data": [' + b"9" * 100_000 + b'], "key_id": "0"}',
    "no key id": b'{"data": []}',
    "no data": b'{"key_id": "' + UNKNOWN_ID.encode() + b'"}',
    "key id is a number": b'{"data": [], "key_id": 5}',
    "key id with ../": b'{"data": [], "key_id": "../../etc/passwd"}',
    "key id in capitals": b'{"data": [], "key_id": "' + b"A" * 64 + b'"}',
    "deeply nested": b"[" * 1_000_000,
    "deeply nested objects": b'{"data":' * 1_000_000,
    "many empty lists": b"[" + b"[]," * 2_000_000 + b"[]]",
    "not UTF-8": b'{"data": ["\xff"], "key_id": "0"}',
    "a pickle": pickle.dumps({"data": [], "key_id": UNKNOWN_ID}),
    "gzip": b"\x1f\x8b" + bytes(50),
}


class IdlePool:
    """In a worker pool's place: answers at once what a test wants, and notes what it was asked."""

    def __init__(self):
        self.questions = []

    def wait_until_ready(self):
        pass

    def close(self):
        pass

    async def answer(self, question, payload=b""):
        self.questions.append((question, bytes(payload)))
        return 200, b"[]"


def client_of(pool: IdlePool) -> httpx.AsyncClient:
    """A client of an application in this very process."""
    app = create_app(pool, classes=10, features=784)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x")


def ask_app(pool: IdlePool, *requests: dict) -> list[httpx.Response]:
    """What an application in this very process answers to requests that come together."""

    async def ask():
        async with client_of(pool) as http:
            return await asyncio.gather(*(http.post("/score", **request) for request in requests))

    return asyncio.run(ask())
