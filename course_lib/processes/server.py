"""Starting a server and ending it: a process of its own, with the end of what it writes."""

import contextlib
import os
import shlex
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence

from course_lib.i18n import _
from course_lib.processes.ending import end
from course_lib.processes.lifeline import GRACE, LIFELINE
from course_lib.processes.log import Log
from course_lib.processes.ports import HOST, held_port, require_free
from course_lib.processes.readiness import NotReady, wait_until_ready

_TAIL_LINES = 20  # of a server's log that an error shows
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
        self._log = Log(process)
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
    with held_port() if port is None else contextlib.nullcontext(port) as port:
        require_free(port, name)
        process = _spawn([*arguments, "--port", str(port)], env or {})
        server = ServerProcess(process, name=name, port=port, arguments=arguments)
        try:
            wait_until_ready(
                process, name=name, port=port, path=ready_path, timeout=timeout, idle_timeout=idle_timeout
            )
        except NotReady as reason:
            server.stop(grace=_GRACE_UNREADY)  # first, so that the log is complete
            raise RuntimeError(f"{reason}\n{_end_of_log(server)}") from None
        except BaseException:  # an interrupt by the learner too must leave no server behind
            server.stop()
            raise
    return server


def _spawn(arguments: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,  # the lifeline: it closes when this process is gone, however it went
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", LIFELINE: "1", **env},
        **({"start_new_session": True} if _POSIX else {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}),
    )


def _end_of_log(server: ServerProcess) -> str:
    tail = "\n".join(server.log().splitlines()[-_TAIL_LINES:])
    return _("The end of its log:") + "\n" + (tail or _("(nothing was written)"))


def _end(process: subprocess.Popen, log: Log, grace: float) -> None:
    end(process, grace=grace)
    process.stdin.close()
    log.finish()
