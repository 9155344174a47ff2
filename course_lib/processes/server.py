"""Starting a server, waiting until it answers, reading what it writes."""

import contextlib
import http.client
import os
import shlex
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence

import psutil

from course_lib.i18n import _
from course_lib.processes.ending import end
from course_lib.processes.lifeline import GRACE, LIFELINE

HOST = "127.0.0.1"
_LOG_BYTES = 64 * 1024  # of a server's log that are kept
_TAIL_LINES = 20  # of it that an error shows
_SECONDS_OF_WORK = 0.2  # of processor time: to start Python takes less
_GRACE_UNREADY = 1  # second that a server has to end which never answered: it has nothing to finish
_POSIX = os.name == "posix"


class ServerProcess:
    """A running server; `start_server` makes it. As a context manager it stops at the block's end."""

    def __init__(self, process: subprocess.Popen, *, name: str, port: int, arguments: Sequence[str]):
        self.name = name
        self.port = port
        self.pid = process.pid
        self.url = f"http://{HOST}:{port}"
        self._arguments = arguments
        self._process = process
        self._log = _Log(process)
        # Runs once: at stop(), when this object is dropped, or when the interpreter exits.
        self._end = weakref.finalize(self, _end, process, self._log, GRACE)

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    @property
    def browser_url(self) -> str:
        """The address for the reader's browser: through jupyter-server-proxy on JupyterHub and Binder."""
        prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX")
        return f"{prefix.rstrip('/')}/proxy/{self.port}" if prefix else self.url

    @property
    def command(self) -> str:
        """What to type in a terminal to start the same server there, on the port that it takes by itself."""
        words = ["python", *self._arguments]
        return shlex.join(words) if _POSIX else subprocess.list2cmdline(words)

    def log(self) -> str:
        """Return the end, at most 64 KiB, of what the server has written so far."""
        return self._log.text()

    def stop(self, *, grace: float = GRACE) -> None:
        """End the server and every process it started, by force after `grace` seconds; harmless twice."""
        if self._end.detach() is not None:
            _end(self._process, self._log, grace)

    def __enter__(self) -> "ServerProcess":
        return self

    def __exit__(self, *error) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"{self.name}: {self.url} ({_('running') if self.running else _('stopped')})"


def start_server(
    arguments: Sequence[str],
    *,
    name: str,
    ready_path: str,
    port: int | None = None,
    timeout: float = 60,
    idle_timeout: float | None = None,
    env: Mapping[str, str] | None = None,
) -> ServerProcess:
    """Run ``python *arguments --port PORT`` as a process of its own and wait until it answers.

    It has started when ``GET http://127.0.0.1:PORT`` + `ready_path` is answered by status 200. `name` is
    what messages call it, `port` a free one unless given, `timeout` in seconds; with `idle_timeout`, it may
    not be idle for so many seconds before it answers: a slow start is waited for then, and one that hangs is
    not. `env` is added to the environment, and is the place for what must not be seen. Keep the returned
    object: when it is dropped, the server is stopped.

    Raises RuntimeError when the port is taken, and, with the end of its log, when the server dies or
    does not answer in time; it is stopped then.

    >>> hello = ["-m", "uvicorn", "--factory", "fastapi:FastAPI"]
    >>> with start_server(hello, name="hello", ready_path="/docs") as server:
    ...     server.running
    True
    >>> server.running
    False
    """
    with _held_port() if port is None else contextlib.nullcontext(port) as port:
        require_free(port, name)
        return _started(arguments, name, ready_path, port, timeout, idle_timeout, env)


def _started(
    arguments: Sequence[str],
    name: str,
    ready_path: str,
    port: int,
    timeout: float,
    idle_timeout: float | None,
    env: Mapping[str, str] | None,
) -> ServerProcess:
    process = subprocess.Popen(
        [sys.executable, *arguments, "--port", str(port)],
        stdin=subprocess.PIPE,  # the lifeline: it closes when this process is gone, however it went
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        env={
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8",
            LIFELINE: "1",
            **(env or {}),
        },
        **({"start_new_session": True} if _POSIX else {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}),
    )
    server = ServerProcess(process, name=name, port=port, arguments=arguments)
    try:
        _wait_until_ready(server, ready_path, timeout, idle_timeout)
    except BaseException:  # an interrupt by the learner too must leave no server behind
        server.stop()
        raise
    return server


@contextlib.contextmanager
def _held_port() -> Iterator[int]:
    """A free port that the system gives to nobody else while the block runs; who knows it may listen."""
    if sys.platform != "linux":  # elsewhere nobody could listen there either
        yield free_port()
        return
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        holder.bind((HOST, 0))
        yield holder.getsockname()[1]


def free_port() -> int:
    """Return the number of a TCP port that no program on this machine listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


class _Log:
    """The end of what a process writes, read as it comes, so that the process never waits for us."""

    def __init__(self, process: subprocess.Popen):
        self._kept = bytearray()
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._follow, args=(process,), name="server log", daemon=True)
        self._reader.start()

    def _follow(self, process: subprocess.Popen) -> None:
        with process.stdout as output:
            while chunk := output.read(_LOG_BYTES):
                with self._lock:
                    self._kept += chunk
                    del self._kept[:-_LOG_BYTES]
        process.wait()  # a server that ended by itself leaves no zombie

    def text(self) -> str:
        with self._lock:
            return self._kept.decode("utf-8", errors="replace")

    def finish(self) -> None:
        self._reader.join(GRACE)


def require_free(port: int, name: str) -> None:
    """Raise RuntimeError, with what to do, where the server `name` can't have this port.

    >>> require_free(free_port(), "a server")
    """
    with socket.socket() as probe:
        if _POSIX:  # as servers do; on Windows the same option would take the port from its owner
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            message = _(
                "{name} cannot have port {port} ({reason}): stop the program that uses it, "
                "or choose another port, for example {free}."
            )
            reason = error.strerror or str(error)
            raise RuntimeError(
                message.format(name=name, port=port, reason=reason, free=free_port())
            ) from error


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


def _wait_until_ready(server: ServerProcess, path: str, timeout: float, idle_timeout: float | None) -> None:
    started, work, status = time.monotonic(), _Work(server.pid), None
    while server.running:
        waited = time.monotonic() - started
        left = timeout - waited
        if idle_timeout is not None:
            left = min(left, idle_timeout - work.idle_seconds())
        if left <= 0:
            message = _(
                "{name} did not answer GET {path} within {timeout:g} seconds (last status: {status})."
            )
            seconds = min(timeout, round(waited))
            raise _failure(
                server, message.format(name=server.name, path=path, timeout=seconds, status=status)
            )
        # The last try may have no time left for an answer: what an earlier one got is still worth telling.
        status = _status(server.port, path, timeout=left) or status
        if status == http.HTTPStatus.OK:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):  # then it is still there: ask again
            server._process.wait(min(left, 0.05))
    message = _("{name} ended with exit code {code} before it answered.")
    raise _failure(server, message.format(name=server.name, code=server._process.returncode))


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


def _failure(server: ServerProcess, message: str) -> RuntimeError:
    server.stop(grace=_GRACE_UNREADY)  # first, so that the log is complete
    tail = "\n".join(server.log().splitlines()[-_TAIL_LINES:])
    return RuntimeError(
        message + "\n" + _("The end of its log:") + "\n" + (tail or _("(nothing was written)"))
    )


def _end(process: subprocess.Popen, log: _Log, grace: float) -> None:
    end(process, grace=grace)
    process.stdin.close()
    log.finish()
