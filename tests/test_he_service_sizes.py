"""The encrypted-inference service and callers that send too much, too slowly, or too many at once."""

import asyncio
import socket
import threading

import psutil
import pytest

import he_callers
from course_lib.he.endpoints import MOST_KEY_BYTES, MOST_SCORING_BYTES
from course_lib.web.intake import Intake
from he_callers import PATIENCE, UNKNOWN_ID, IdlePool, ask_app, client_of, one_sentence

service, http, caller = he_callers.service, he_callers.http, he_callers.caller


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


def test_a_body_that_takes_too_long_is_refused(monkeypatch):

    async def dripping():
        yield b"{"
        await asyncio.sleep(PATIENCE)

    monkeypatch.setattr("course_lib.web.intake.SECONDS_TO_SEND", 0.05)
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


def test_a_body_gives_its_room_back_and_no_more(monkeypatch):
    """Answered, or refused half-way, one after another at one application that has room for 1000 bytes."""
    monkeypatch.setattr("course_lib.he.endpoints.Intake", lambda: Intake(most=1000))

    async def half_refused():
        yield bytes(600)
        yield bytes(600)

    async def statuses():
        async with client_of(IdlePool()) as http:
            bodies = [bytes(1000), bytes(1000), half_refused(), bytes(1000), bytes(1001)]
            return [(await http.post("/score", content=body)).status_code for body in bodies]

    assert asyncio.run(statuses()) == [200, 200, 503, 200, 503]
