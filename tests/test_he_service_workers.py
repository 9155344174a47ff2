"""The service's workers: one that dies is replaced, and its request refused at the second death."""

import concurrent.futures
import json
import sys

import pytest

import he_callers
from course_lib.he.pool import WorkerPool, worker_command
from he_callers import PATIENCE, children_of
from process_parts import alive

service, caller = he_callers.service, he_callers.caller


def test_a_worker_killed_in_the_middle_is_replaced(service, caller):
    for worker in children_of(service):
        worker.kill()
    assert caller.accepts(service.run(caller.request()))
    workers = [each for each in children_of(service) if alive(each)]
    assert workers  # one that is fresh; who else was killed stays dead until it is asked
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
worker.SECONDS_PER_REQUEST = 5

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
