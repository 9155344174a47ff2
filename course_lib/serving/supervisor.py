"""Several processes that answer on one port, and one that looks after them.

Promises that a worker which dies is replaced, that workers end when this process does, however it went, and
that a stop loses no request that can be answered within about three seconds: the port is closed here first,
so that the last worker to leave it takes in who waits. Leaves out fairness: the operating system decides
which worker takes in whom.
"""

import multiprocessing
import os
import signal
import socket
import tempfile
import threading
import time
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

from course_lib.processes.lifeline import GRACE
from course_lib.serving.graceful import turn_away
from course_lib.serving.logs import LOGGER, log_json
from course_lib.serving.worker import Settings, serve_on

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # where workers count together; prometheus_client reads it
_MOST_DEATHS = 5  # of workers within a minute; more, and something is wrong that a new one won't mend
_MINUTE = 60


def supervise(listener: socket.socket, settings: Settings, *, workers: int) -> None:
    """Keep `workers` processes answering what comes to `listener` until this one is asked to stop."""
    log_json()
    with tempfile.TemporaryDirectory(prefix="course-metrics-") as folder:
        os.environ[SHARED_FOLDER] = folder
        _Supervisor(listener, settings, workers).run()


class _Supervisor:
    def __init__(self, listener: socket.socket, settings: Settings, workers: int):
        self._listener = listener
        self._settings = settings
        self._count = workers
        self._workers: list[BaseProcess] = []
        self._stopping = False

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        deaths: list[float] = []
        while not self._stopping:
            if len(self._workers) < self._count:
                self._workers.append(self._start())
                continue
            wait([worker.sentinel for worker in self._workers], timeout=0.1)
            for dead in [worker for worker in self._workers if not worker.is_alive()]:
                LOGGER.error("worker died", extra={"fields": {"pid": dead.pid, "code": dead.exitcode}})
                self._workers.remove(dead)
                deaths.append(time.monotonic())
            deaths = [moment for moment in deaths if time.monotonic() - moment < _MINUTE]
            self._stopping |= len(deaths) > _MOST_DEATHS
        turn_away(self._listener)  # all workers leave it: who still came could find nobody
        self._listener.close()  # the port must not stay open here while workers leave it
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            worker.join(GRACE)
            worker.kill()

    def _start(self) -> BaseProcess:
        context = multiprocessing.get_context("spawn")
        worker = context.Process(target=_work, args=(self._listener, self._settings))
        worker.start()
        return worker

    def _stop(self, *_signal) -> None:
        """Runs in the signal handler, perhaps while a worker is being started: so it says it, no more."""
        self._stopping = True


def _work(listener: socket.socket, settings: Settings) -> None:
    threading.Thread(target=_end_with_supervisor, name="supervisor's end", daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the supervisor passes it on
    serve_on(listener, settings, alone=False)


def _end_with_supervisor() -> None:
    wait([multiprocessing.parent_process().sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
