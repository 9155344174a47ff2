"""The encrypted-inference service, as processes that callers reach over HTTP."""

import base64
import concurrent.futures
import hashlib
import io
import json
import os
import pickle
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import psutil
import pyarrow
import pytest

from course_lib.he import EILinearRegressionClient, EIServer, scoring, wire
from course_lib.he.deployment import deploy
from course_lib.he.endpoints import MOST_KEY_BYTES, MOST_SCORING_BYTES, InTheCallersLanguage, create_app
from course_lib.he.intake import Intake
from course_lib.he.keystore import KeyStore, UnknownKeyId
from course_lib.he.parameters import LINEAR, Parameters
from course_lib.he.pool import WorkerPool, worker_command
from course_lib.i18n import _, language, use_language

RANDOM = np.random.default_rng(seed=5)
COEFFS, INTERCEPT = RANDOM.normal(size=(10, 784)), RANDOM.normal(size=10)
UNKNOWN_ID = "0" * 64
PATIENCE = 20  # seconds that we wait for something that must happen


@pytest.fixture(scope="module")
def service():
    with deploy(COEFFS, INTERCEPT) as service:
        yield service


@pytest.fixture(scope="module")
def http(service):
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
    caller = Caller()
    service.upload_keys(caller.key_id, caller.public_keys)
    return caller


def wait_until(condition, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE} seconds"
        time.sleep(0.01)


def one_sentence(answer: httpx.Response) -> str:
    body = answer.json()
    assert list(body) == ["error"]
    assert body["error"].endswith(".") and "\n" not in body["error"] and "Traceback" not in body["error"]
    return body["error"]


# --- The story ------------------------------------------------------------------------------------


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


# --- Bad requests ---------------------------------------------------------------------------------


def flipped(frame: bytes, position: int) -> bytes:
    return frame[:position] + bytes([frame[position] ^ 1]) + frame[position + 1 :]


def bad_data(caller: Caller) -> dict[str, list]:
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
        "bit flipped on the way": [wire.to_text(flipped(frame, len(frame) // 2))],
        "SEAL's header damaged": packed(flipped(payload, 0)),
        "nothing for SEAL": packed(b""),
        "other kind": packed(kind="scores"),
        "public keys": [wire.to_text(caller.public_keys)],
        "other parameters": packed(parameters=other_parameters),
        "too few values": caller.client.encrypt(caller.values[:100]),
        "wrong count": packed(count=783),
    }


def test_bad_data_is_refused_with_a_sentence(service, http, caller):
    for what, data in bad_data(caller).items():
        answer = http.post("/score", content=caller.request(data=data))
        assert answer.status_code == 400, what
        one_sentence(answer)
    assert caller.accepts(service.run(caller.request()))


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
        "bit flipped": flipped(caller.public_keys, 5000),
        "ciphertext": wire.from_text(caller.ciphertexts[0]),
        "the secret key": wire.from_text(caller.client.secret_key()),
        "the secret key in disguise": packed(
            wire.unpack("secret key", wire.from_text(caller.client.secret_key()), parameters=LINEAR)[1]
        ),
        "SEAL's header damaged": packed(flipped(payload, 0)),
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


# --- Sizes and speeds of callers ------------------------------------------------------------------


class MemoryWatch(threading.Thread):
    """The largest sum of a process's and its children's memory, in bytes, while the block runs."""

    def __init__(self, pid: int):
        super().__init__()
        self._family = [psutil.Process(pid), *psutil.Process(pid).children()]
        self._done = threading.Event()
        self.before = self.peak = self._sum()

    def _sum(self) -> int:
        return sum(process.memory_info().rss for process in self._family)

    def run(self):
        while not self._done.wait(0.005):
            self.peak = max(self.peak, self._sum())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_error):
        self._done.set()
        self.join()


def chunks_of_zeros(megabytes: int):
    for _chunk in range(megabytes):
        yield bytes(1 << 20)


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("method, path", [("POST", "/score"), ("PUT", f"/keys/{UNKNOWN_ID}")])
def test_a_body_of_100_megabytes_is_refused_and_never_held(service, http, caller, method, path, announced):
    body = bytes(100 << 20) if announced else chunks_of_zeros(100)
    with MemoryWatch(service.process.pid) as memory:
        answer = http.request(method, path, content=body)
    assert answer.status_code == 413
    most = MOST_KEY_BYTES if method == "PUT" else MOST_SCORING_BYTES
    assert f"at most {most} bytes" in one_sentence(answer)
    assert memory.peak - memory.before < 20 << 20
    assert caller.accepts(service.run(caller.request()))


def test_a_caller_that_waits_for_a_go_ahead_is_told_no(service):
    head = b"PUT /keys/%b HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.process.port), timeout=PATIENCE) as connection:
        connection.sendall(head % UNKNOWN_ID.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_slow_callers_keep_nobody_waiting(service, caller):
    head = b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
    dawdlers = [
        socket.create_connection(("127.0.0.1", service.process.port), timeout=PATIENCE)
        for _number in range(60)
    ]
    for number, dawdler in enumerate(dawdlers):
        dawdler.sendall(head if number % 2 else head + b"\r\n{")  # half a head, or half a body
    assert all(caller.accepts(service.run(caller.request())) for _round in range(5))
    for dawdler in dawdlers:
        dawdler.close()
    assert caller.accepts(service.run(caller.request()))


class IdlePool:
    """Answers at once what a test wants, and notes what it was asked."""

    def __init__(self):
        self.questions = []

    def wait_until_ready(self):
        pass

    def close(self):
        pass

    async def answer(self, question, payload=b""):
        self.questions.append((question, bytes(payload)))
        return 200, b"[]"


def ask_app(pool: IdlePool, *requests: dict) -> list[httpx.Response]:
    """What an application in this very process answers to requests that come together."""
    import asyncio

    async def ask():
        app = create_app(pool, classes=10, features=784)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as http:
            return await asyncio.gather(*(http.post("/score", **request) for request in requests))

    return asyncio.run(ask())


def test_a_body_that_takes_too_long_is_refused(monkeypatch):
    import asyncio

    async def dripping():
        yield b"{"
        await asyncio.sleep(PATIENCE)

    monkeypatch.setattr("course_lib.he.intake.SECONDS_TO_SEND", 0.05)
    (answer,) = ask_app(IdlePool(), {"content": dripping()})
    assert answer.status_code == 408
    one_sentence(answer)


def test_all_bodies_together_have_a_bound(monkeypatch):
    monkeypatch.setattr("course_lib.he.endpoints.Intake", lambda: Intake(most=1000))
    pool = IdlePool()
    (answer,) = ask_app(pool, {"content": bytes(2000)})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    one_sentence(answer)
    answers = ask_app(pool, {"content": b"x" * 1000}, {"content": b"y" * 1000})
    assert sorted(answer.status_code for answer in answers) in ([200, 200], [200, 503])
    assert {len(payload) for _question, payload in pool.questions} == {1000}


# --- Languages ------------------------------------------------------------------------------------


def test_refusals_speak_the_callers_language(http, caller):
    with use_language("de"):
        expected = _("No public keys are stored under the key id {key_id}.").format(key_id=UNKNOWN_ID)
    answer = http.post(
        "/score", content=caller.request(key_id=UNKNOWN_ID), headers={"Accept-Language": "de-CH, en;q=0.5"}
    )
    assert one_sentence(answer) == expected


@pytest.mark.parametrize("wish", [b"ja", b"fr, pt;q=0.5", b"", b"\xff\xfe", b"," * 5000, b"zh;q=NaN", b"*"])
def test_any_wish_for_a_language_is_heard_or_passed_over(wish):
    spoken = {b"ja": "ja", b"fr, pt;q=0.5": "pt-BR"}.get(wish, "en")
    pool = IdlePool()
    (answer,) = ask_app(pool, {"content": b"{}", "headers": {b"Accept-Language": wish}})
    assert answer.status_code == 200
    assert pool.questions[0][0]["language"] == spoken


def test_the_language_is_set_while_a_request_is_answered():
    import asyncio

    heard = []

    async def app(_scope, _receive, _send):
        heard.append(language())

    asyncio.run(InTheCallersLanguage(app)({"headers": [(b"accept-language", b"zh-CN")]}, None, None))
    assert heard == ["zh-CN"]


# --- Processes that die ---------------------------------------------------------------------------


def test_a_worker_killed_in_the_middle_is_replaced(service, caller):
    for worker in psutil.Process(service.process.pid).children():
        worker.kill()
    assert caller.accepts(service.run(caller.request()))
    workers = psutil.Process(service.process.pid).children()
    for worker in workers:
        worker.suspend()  # so that the request can't be answered before they are killed
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        answers = [threads.submit(service.run, caller.request()) for _number in range(2)]
        for worker in workers:
            worker.kill()
        assert all(caller.accepts(answer.result(PATIENCE)) for answer in answers)


# A worker that does as it is told: what came says how it ends.
OBEDIENT = """
import ctypes, sys
from course_lib.he import worker
worker.SECONDS_PER_REQUEST = 1

class Scorer:
    def run(self, payload):
        match payload:
            case b"crash":
                ctypes.string_at(0)
            case b"hang":
                ctypes.PyDLL(None).sleep(100)  # holds the interpreter's lock, as SEAL does
            case b"memory":
                return len(bytes(1 << 30))
            case b"mistake":
                raise RuntimeError("a mistake")
        return payload.decode()

worker.make_scorer = lambda model, key_store: Scorer()
worker.main()
"""


@pytest.fixture(scope="module")
def obedient_pool():
    pool = WorkerPool([sys.executable, "-c", OBEDIENT, "--model", "none", "--key-store", "none"], workers=2)
    pool.wait_until_ready()
    yield pool
    pool.close()


def ask_pool(pool: WorkerPool, payload: bytes) -> tuple[int, object]:
    status, body = pool._answer({"operation": "score", "language": "en"}, payload)
    return status, json.loads(body)


@pytest.mark.parametrize(
    ("payload", "status", "sentence"),
    [
        (b"crash", 422, "twice it ended the process"),
        (b"hang", 503, "longer than 30 seconds"),
        (b"memory", 413, "more than 512 MB"),
        (b"mistake", 500, "its log says which"),
    ],
)
def test_what_ends_a_worker_is_refused_and_the_next_is_answered(obedient_pool, payload, status, sentence):
    if payload == b"memory" and sys.platform != "linux":
        pytest.skip("Only Linux bounds a process's memory.")
    came, body = ask_pool(obedient_pool, payload)
    assert came == status
    assert sentence in body["error"]
    assert ask_pool(obedient_pool, b"good") == (200, "good")


def test_innocents_are_answered_while_others_crash(obedient_pool):
    payloads = [b"crash", b"good", b"good", b"good", b"crash", b"good"]
    with concurrent.futures.ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda payload: ask_pool(obedient_pool, payload), payloads))
    assert [status for status, _body in answers] == [422, 200, 200, 200, 422, 200]


def test_a_worker_that_can_not_start_is_not_the_callers_fault(tmp_path):
    pool = WorkerPool(worker_command(tmp_path / "no model", str(tmp_path)), workers=1)
    try:
        with pytest.raises(RuntimeError, match="did not start"):
            pool.wait_until_ready()
        status, body = ask_pool(pool, b"{}")
        assert status == 503
        assert "can't start" in body["error"]
    finally:
        pool.close()


def children_of(service) -> list[psutil.Process]:
    return psutil.Process(service.process.pid).children(recursive=True)


def test_nothing_is_left_of_a_service_that_is_killed():
    with deploy(COEFFS, INTERCEPT) as service:
        family = [psutil.Process(service.process.pid), *children_of(service)]
        assert len(family) >= 2
        family[0].kill()
        wait_until(lambda: not any(alive(process) for process in family), "the workers' end")
        with pytest.raises(RuntimeError, match="does not answer"):
            service.run("{}")


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_nothing_is_left_of_a_service_that_is_deleted():
    service = deploy(COEFFS, INTERCEPT)
    family = [psutil.Process(service.process.pid), *children_of(service)]
    folder = Path(service.key_store).parent
    assert folder.exists()
    service.delete()
    service.delete()
    assert not any(alive(process) for process in family)
    assert not folder.exists()
    with pytest.raises(RuntimeError, match="does not answer"):
        service.run("{}")


def test_what_was_asked_before_the_end_is_answered():
    if os.name != "posix":
        pytest.skip("SIGTERM is POSIX's.")
    with deploy(COEFFS, INTERCEPT) as service:
        caller = Caller()
        service.upload_keys(caller.key_id, caller.public_keys)
        workers = children_of(service)
        for worker in workers:
            worker.suspend()
        with concurrent.futures.ThreadPoolExecutor(1) as threads:
            answer = threads.submit(service.run, caller.request())
            # Suspended workers keep the request until they go on; it has arrived when it is in a pipe.
            wait_until(lambda: unread_bytes(workers) > 10_000, "the request's arrival")
            os.kill(service.process.pid, signal.SIGTERM)
            for worker in workers:
                worker.resume()
            assert caller.accepts(answer.result(PATIENCE))
        wait_until(lambda: not any(alive(process) for process in workers), "the service's end")


def unread_bytes(workers: list[psutil.Process]) -> int:
    """How many bytes wait in the workers' standard inputs."""
    import array
    import fcntl
    import termios

    total = 0
    for worker in workers:
        with open(f"/proc/{worker.pid}/fd/0", "rb") as pipe:
            count = array.array("i", [0])
            fcntl.ioctl(pipe, termios.FIONREAD, count)
            total += count[0]
    return total


def test_a_key_store_that_vanishes(tmp_path):
    folder = tmp_path / "keys"
    caller = Caller()
    with deploy(COEFFS, INTERCEPT, key_store=folder) as service:
        service.upload_keys(caller.key_id, caller.public_keys)
        assert caller.accepts(service.run(caller.request()))
        shutil.rmtree(folder)
        with pytest.raises(ValueError, match="No public keys are stored"):
            service.run(caller.request())
        folder.write_text("a file where the folder was")
        answer = httpx.post(service.scoring_uri, content=caller.request(), trust_env=False)
        assert answer.status_code == 503
        assert "key store can't be used" in one_sentence(answer)
        with pytest.raises(RuntimeError, match="key store can't be used"):
            service.upload_keys(caller.key_id, caller.public_keys)
        folder.unlink()
        service.upload_keys(caller.key_id, caller.public_keys)
        assert caller.accepts(service.run(caller.request()))


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--model", "missing.npz", "The model file missing.npz is missing."),
        ("--model", "pickled.npz", "with the arrays"),
        ("--model", "empty.npz", "with the arrays"),
        ("--key-store", "memory://keys", "in one process's memory"),
        ("--key-store", "nonsense://keys", "can't be used (ValueError)"),
        ("--key-store", "pickled.npz", "can't be used (NotADirectoryError)"),
    ],
)
def test_a_service_that_can_not_start_says_why_in_one_sentence(tmp_path, option, value, sentence):
    np.savez(tmp_path / "model.npz", coeffs=COEFFS, intercept=INTERCEPT)
    np.savez(tmp_path / "pickled.npz", coeffs=np.array([{}], dtype=object), intercept=INTERCEPT)
    (tmp_path / "empty.npz").touch()
    options = {"--model": "model.npz", "--key-store": "keys", "--port": "1"} | {option: value}
    ended = subprocess.run(
        [sys.executable, "-m", "course_lib.he.service", *(word for pair in options.items() for word in pair)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "COURSE_LANG": "en"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr


# --- Secrets --------------------------------------------------------------------------------------


class Wiretap(threading.Thread):
    """Passes bytes between callers and a port, and keeps them all."""

    def __init__(self, port: int):
        super().__init__(daemon=True)
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.heard = bytearray()
        self.start()

    def run(self):
        while True:
            try:
                caller, _address = self._listener.accept()
            except OSError:  # closed at the block's end
                return
            callee = socket.create_connection(("127.0.0.1", self._port))
            for source, target in ((caller, callee), (callee, caller)):
                threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket):
        while data := source.recv(1 << 16):
            self.heard += data
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def inflated(blob: bytes) -> bytes:
    """What SEAL compressed, found by its headers in `blob`: of their 16 bytes, the last 8 say how much."""
    views, start = [], 0
    while (start := blob.find(b"\x5e\xa1\x10\x04", start) + 1) > 0:
        size = int.from_bytes(blob[start + 7 : start + 15], "little")
        if blob[start + 15 : start + 19] == b"\x28\xb5\x2f\xfd":  # how a zstd stream begins
            compressed = io.BytesIO(blob[start + 15 : start - 1 + size])
            views.append(pyarrow.CompressedInputStream(compressed, "zstd").read())
    return b"".join(views)


def traces_of(secret_key: str) -> list[list[bytes]]:
    """Pieces by which a secret key would be known: of its text, its frame, and what SEAL compressed."""
    frame = wire.from_text(secret_key)
    return [
        [whole[start : start + 24] for start in range(200, len(whole) - 24, len(whole) // 50)]
        for whole in (secret_key.encode(), frame, inflated(frame))
    ]


def unveiled(heard: bytes) -> list[bytes]:
    """What was heard, and what is inside: decoded from base64, and inflated as SEAL would."""
    texts = [text for text in heard.split(b'"') if re.fullmatch(rb"[A-Za-z0-9+/]{1000,}=*", text)]
    views = [heard, *map(base64.b64decode, texts)]
    return [*views, *map(inflated, views)]


def found(traces: list[bytes], places: list[bytes]) -> bool:
    return any(trace in place for trace in traces for place in places)


def test_the_secret_key_never_leaves_the_client(service, caller):
    traces = traces_of(caller.client.secret_key())
    with Wiretap(service.process.port) as tap, httpx.Client(trust_env=False) as http:
        url = f"http://127.0.0.1:{tap.port}"
        http.put(f"{url}/keys/{caller.key_id}", content=caller.public_keys).raise_for_status()
        reply = http.post(f"{url}/score", content=caller.request())
        assert caller.accepts(reply.json())
        heard = bytes(tap.heard)
    stored = b"".join(path.read_bytes() for path in Path(service.key_store).iterdir())
    # The tap hears, and a secret key would be found in what it hears, in each of its forms.
    assert caller.public_keys in heard and caller.ciphertexts[0].encode() in heard
    assert caller.public_keys in stored
    betrayed = unveiled(heard + caller.request(data=[caller.client.secret_key()]).encode())
    assert [found(kind, betrayed) for kind in traces] == [True, True, True]

    seen = [*unveiled(heard), *unveiled(stored)]
    assert [found(kind, seen) for kind in traces] == [False, False, False]


def test_logs_tell_of_requests_but_not_what_was_in_them(service, http, caller):
    http.put(f"/keys/{caller.key_id}", content=caller.public_keys)
    http.post("/score", content=caller.request())
    http.post("/score", content=caller.request(data=["damaged" * 20]))
    log = service.process.log()
    assert "POST /score" in log
    for private in (caller.ciphertexts[0][:60], "damaged", repr(caller.public_keys[:20])[2:-1]):
        assert private not in log


# --- How it describes itself ----------------------------------------------------------------------


def test_the_openapi_page_lists_everything_with_examples(http):
    document = http.get("/openapi.json").json()
    operations = {
        (path, method): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert set(operations) == {
        ("/keys/{key_id}", "put"),
        ("/keys/{key_id}", "delete"),
        ("/score", "post"),
        ("/health", "get"),
    }
    scoring_request = operations["/score", "post"]["requestBody"]["content"]["application/json"]
    assert (
        set(scoring_request["example"]) == set(scoring_request["schema"]["properties"]) == {"data", "key_id"}
    )
    for (path, _method), operation in operations.items():
        assert operation["summary"] and operation["description"]
        refusals = {status: told for status, told in operation["responses"].items() if status >= "400"}
        assert path == "/health" or refusals.keys() >= {"400", "422", "503"}
        for told in refusals.values():
            assert set(told["content"]["application/json"]["example"]) == {"error"}
    assert http.get("/docs").status_code == 200


# --- The scoring script, and the handle -----------------------------------------------------------


def test_the_scoring_script_answers_as_the_service_does(service, caller, tmp_path, monkeypatch):
    np.savez(tmp_path / "model.npz", coeffs=COEFFS, intercept=INTERCEPT)
    monkeypatch.setenv("COURSE_HE_MODEL", str(tmp_path / "model.npz"))
    monkeypatch.setenv("COURSE_HE_KEY_STORE", service.key_store)
    scoring.init()
    assert caller.accepts(scoring.run(caller.request()))
    assert caller.accepts(scoring.run(caller.request(conn_str="password", container="x").encode()))
    with pytest.raises(UnknownKeyId):
        scoring.run(caller.request(key_id=UNKNOWN_ID))
    for bad in (
        *BAD_BODIES.values(),
        *(caller.request(data=data) for data in bad_data(caller).values()),
        5,
        None,
    ):
        with pytest.raises(ValueError):
            scoring.run(bad)


@pytest.mark.parametrize("missing", ["COURSE_HE_MODEL", "COURSE_HE_KEY_STORE"])
def test_the_scoring_script_names_the_setting_that_is_missing(missing, tmp_path, monkeypatch):
    np.savez(tmp_path / "model.npz", coeffs=COEFFS, intercept=INTERCEPT)
    monkeypatch.setenv("COURSE_HE_MODEL", str(tmp_path / "model.npz"))
    monkeypatch.setenv("COURSE_HE_KEY_STORE", str(tmp_path))
    monkeypatch.delenv(missing)
    with pytest.raises(RuntimeError, match=missing):
        scoring.init()


def test_a_model_that_is_none_is_refused_before_a_process_starts():
    with pytest.raises(ValueError, match="An intercept for each"):
        deploy(COEFFS, INTERCEPT[:3])


def test_more_classes_and_features_than_one_ciphertext_holds():
    coeffs, intercept = RANDOM.normal(size=(70, 2500)) / 50, RANDOM.normal(size=70)
    client = EILinearRegressionClient()
    key_id, public_keys = client.get_public_keys()
    values = RANDOM.random(2500)
    data = client.encrypt(values)
    with deploy(coeffs, intercept) as service:
        service.upload_keys(key_id, public_keys)
        reply = service.run(json.dumps({"data": data, "key_id": key_id}))
    assert np.allclose(client.decrypt(reply), coeffs @ values + intercept, atol=1e-3)
    assert len(reply) == len(EIServer(coeffs, intercept).predict(data, public_keys))
