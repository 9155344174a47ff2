"""Waiting until a server answers: a slow one is waited for, one that ended or hangs is an error.

Leaves out what becomes of the process then: who started it ends it.
"""

import contextlib
import http.client
import subprocess
import time
from http import HTTPStatus

import psutil

from course_lib.i18n import _
from course_lib.processes.ports import HOST

_SECONDS_OF_WORK = 0.2  # of processor time: to start Python takes less


class NotReady(Exception):
    """Why a server does not answer, as a sentence for the reader."""


def wait_until_ready(
    process: subprocess.Popen, *, name: str, port: int, path: str, timeout: float, idle_timeout: float | None
) -> None:
    """Return once GET `path` at `port` is answered by status 200.

    Raises NotReady when `process` ends before, when `timeout` seconds have passed, and when it did next to
    nothing for `idle_timeout` seconds.
    """
    started, work, status = time.monotonic(), _Work(process.pid), None
    while process.poll() is None:
        waited = time.monotonic() - started
        left = timeout - waited
        if idle_timeout is not None:
            left = min(left, idle_timeout - work.idle_seconds())
        if left <= 0:
            message = _(
                "{name} did not answer GET {path} within {timeout:g} seconds (last status: {status})."
            )
            seconds = min(timeout, round(waited))
            raise NotReady(message.format(name=name, path=path, timeout=seconds, status=status))
        # The last try may have no time left for an answer: what an earlier one got is still worth telling.
        status = _status(port, path, timeout=left) or status
        if status == HTTPStatus.OK:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):  # then it is still there: ask again
            process.wait(min(left, 0.05))
    message = _("{name} ended with exit code {code} before it answered.")
    raise NotReady(message.format(name=name, code=process.returncode))


class _Work:
    """How long a process has done next to nothing: it tells a slow one from one that hangs."""

    def __init__(self, pid: int):
        self._pid, self._used, self._since = pid, 0.0, time.monotonic()

    def idle_seconds(self) -> float:
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended, as its owner is about to see
            used = sum(psutil.Process(self._pid).cpu_times()[:2])
            if used - self._used >= _SECONDS_OF_WORK:
                self._used, self._since = used, time.monotonic()
        return time.monotonic() - self._since


def _status(port: int, path: str, timeout: float) -> int | None:
    """Return the status that the server answers with, or None while it does not answer."""
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout)  # heeds no proxy settings
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
