"""When the one who looks after workers replaces them, gives up, and stops: with workers that are none."""

import os
import signal
import socket
import threading

import pytest

from course_lib.serving import supervisor
from course_lib.serving.supervisor import _Supervisor


class Worker:
    """What the supervisor sees of a worker."""

    sentinel, pid, exitcode = None, 1, 1

    def __init__(self):
        self.alive, self.terminated = True, False

    def is_alive(self) -> bool:
        return self.alive

    def terminate(self) -> None:
        self.terminated = True

    def join(self, _seconds) -> None:
        """It ends at once."""

    kill = terminate


@pytest.fixture
def watched(monkeypatch):
    """A supervisor of two workers, with a clock of its own; `started` are the workers so far."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    watched = _Supervisor(socket.socket(), settings=None, workers=2)
    watched.started, watched.now = [], 0.0

    def start() -> Worker:
        watched.started.append(Worker())
        return watched.started[-1]

    monkeypatch.setattr(watched, "_start", start)
    monkeypatch.setattr(supervisor.time, "monotonic", lambda: watched.now)
    yield watched
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("seconds_apart", "replaced"), [(13, 20), (9, 5)])
def test_workers_that_die_seldom_are_replaced_for_good(watched, monkeypatch, seconds_apart, replaced):
    """Five deaths a minute are mended; with a sixth, something is wrong that a new worker won't mend."""

    def wait(_sentinels, timeout):
        if len(watched.started) == 2 + 20:
            watched._stop()
            return
        watched.now += seconds_apart
        watched.started[-1].alive = False

    monkeypatch.setattr(supervisor, "wait", wait)
    watched.run()
    assert len(watched.started) - 2 == replaced
    assert watched._listener.fileno() == -1
    assert all(worker.terminated for worker in watched.started if worker.alive)


def test_who_is_asked_to_stop_while_workers_start_ends_those_that_there_are(watched, monkeypatch):
    start = watched._start

    def start_and_be_stopped() -> Worker:
        os.kill(os.getpid(), signal.SIGTERM)
        assert watched._listener.fileno() != -1  # the worker that is being started is given it
        return start()

    monkeypatch.setattr(watched, "_start", start_and_be_stopped)
    assert threading.current_thread() is threading.main_thread()
    watched.run()
    (worker,) = watched.started
    assert worker.terminated and watched._listener.fileno() == -1
