"""The service's workers: who has which request, and what happens when one dies.

A worker has one request at a time. If it dies, it was that request, or someone killed it: so the
request is tried once more in a fresh worker, and refused if that dies too. Requests in other
workers notice nothing.
"""

import asyncio
import json
import os
import queue
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

from course_lib.he.worker import SECONDS_PER_REQUEST, TIMED_OUT, Answer, receive, refusal, send
from course_lib.i18n import _, use_language


def worker_command(model_path: str | os.PathLike, key_store_url: str) -> list[str]:
    """What starts a worker."""
    program = [sys.executable, "-m", "course_lib.he.worker"]
    return [*program, "--model", os.fspath(model_path), "--key-store", key_store_url]


class WorkerDied(RuntimeError):
    """A worker ended, `was_ready` or still starting; `timed_out` if it was ended for taking too long."""

    def __init__(self, exit_status: int, was_ready: bool):
        super().__init__(f"a worker ended with exit status {exit_status}")
        self.was_ready = was_ready
        self.timed_out = was_ready and exit_status == TIMED_OUT


class Worker:
    """One worker process and the two pipes to it."""

    def __init__(self, command: list[str]):
        self._command = command
        self._start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _start(self) -> None:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._is_ready = False

    def wait_until_ready(self) -> None:
        """Return once the model is loaded; WorkerDied where it can't be."""
        if not self._is_ready:
            self._exchange()
            self._is_ready = True

    def ask(self, question: dict, payload: bytes) -> Answer:
        """The answer to one request; WorkerDied where there was none: a fresh process starts then."""
        self.wait_until_ready()
        head, body = self._exchange(json.dumps(question).encode(), payload)
        return json.loads(head)["status"], body

    def _exchange(self, *parts: bytes) -> tuple[bytes, bytes]:
        try:
            send(self._process.stdin, *parts)
            return receive(self._process.stdout), receive(self._process.stdout)
        except (EOFError, OSError) as error:
            death = WorkerDied(self.stop(), self._is_ready)
            self._start()
            raise death from error

    def stop(self) -> int:
        """End the process, at the latest after two seconds; its exit status."""
        try:
            self._process.stdin.close()  # a worker without input ends by itself
        except OSError:
            self._process.kill()  # the pipe is broken, so the process is ending already
        try:
            exit_status = self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            exit_status = self._process.wait()
        self._process.stdout.close()
        return exit_status


class WorkerPool:
    """Some workers, and a thread for each that hands it requests and waits for answers."""

    def __init__(self, command: list[str], workers: int):
        self.workers = [Worker(command) for _number in range(workers)]
        self._free: queue.LifoQueue[Worker] = queue.LifoQueue()  # who was last has its caches warm
        for worker in self.workers:
            self._free.put(worker)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="worker")

    def wait_until_ready(self) -> None:
        """Return once every worker is; RuntimeError where one can't start."""
        for worker in self.workers:
            try:
                worker.wait_until_ready()
            except WorkerDied as error:
                raise RuntimeError(_("A worker did not start; the log says why.")) from error

    async def answer(self, question: dict, payload: bytes = b"") -> Answer:
        """What a worker answers; `worker.serve` lists the questions. Waits for a free worker."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._answer, question, payload)

    def _answer(self, question: dict, payload: bytes) -> Answer:
        worker = self._free.get()
        try:
            for _attempt in range(2):
                try:
                    return worker.ask(question, payload)
                except WorkerDied as died:
                    print(f"{question['operation']}: {died}", file=sys.stderr)
                    death = died
                    if death.timed_out:
                        break
            with use_language(question["language"]):
                return _excuse(death)
        finally:
            self._free.put(worker)

    def close(self) -> None:
        """Answer what has been asked already, then end all processes."""
        self._threads.shutdown(wait=True)
        for worker in self.workers:
            worker.stop()


def _excuse(death: WorkerDied) -> Answer:
    """What the caller of a request is told that has no answer."""
    if not death.was_ready:
        sentence = _("The service can't start the process that evaluates requests; please try again later.")
        return refusal(HTTPStatus.SERVICE_UNAVAILABLE, sentence)
    if death.timed_out:
        sentence = _("The request took longer than {seconds} seconds and was stopped.")
        return refusal(HTTPStatus.SERVICE_UNAVAILABLE, sentence.format(seconds=SECONDS_PER_REQUEST))
    sentence = _("What came can't be evaluated: twice it ended the process that tried.")
    return refusal(HTTPStatus.UNPROCESSABLE_ENTITY, sentence)
