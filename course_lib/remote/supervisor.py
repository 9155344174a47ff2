"""Runs one command between walls, and ends it, with all it started, at a time limit.

    python -S -m course_lib.remote.supervisor CELL.json

CELL.json describes the cell: `command` and `environment`; the `folder` it starts in; what is `readable` and
`writable`; `seconds`; `limits` on resources; and the file that its output (`log`) and the `walls` that
stand go to. It exits with the command's exit code, or with 124 after the time limit. The one who starts it
holds its standard input open: when that closes, however it came about, the job ends.

On Linux whatever the job started ends with it, in whichever way it was started; elsewhere a process that
left the job's process group escapes. (When this process itself is killed by SIGKILL, the job ends, but what
the job started may go on.) It needs the standard library alone, so that it starts in milliseconds.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import time
from pathlib import Path

from course_lib.remote import walls

TIMED_OUT = 124  # as GNU timeout says it
NOT_STARTED = 126
_LINUX = sys.platform == "linux"
_PARENT_DEATH_SIGNAL, _CHILD_SUBREAPER = 1, 36


def main(cell_file: str) -> int:
    """Run the cell; the command's exit code, 128 + the signal that ended it, or TIMED_OUT."""
    cell = json.loads(Path(cell_file).read_text(encoding="utf-8"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TIMED_OUT))
    if _LINUX:  # an orphan of the job becomes our child, so that we find it
        ctypes.CDLL(None).prctl(_CHILD_SUBREAPER, 1, 0, 0, 0)
    job = os.fork()
    if job == 0:
        _become_the_job(cell)
    try:
        return _wait(job, time.monotonic() + cell["seconds"])
    finally:
        _end_everything(job)


def _become_the_job(cell: dict) -> None:
    """Build the walls and turn into the command; never returns."""
    try:
        os.setsid()
        if _LINUX:
            ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        os.chdir(cell["folder"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        log = os.open(cell["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        report = os.open(cell["walls"], os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        limited = walls.limit_resources(cell["limits"])
        alone = walls.leave_network()
        version = walls.restrict(readable=cell["readable"], writable=cell["writable"])
        standing = {
            "resources": limited,
            "files": version > 0,
            "network": alone,
            "tcp": alone or version >= 4,
        }
        os.write(report, json.dumps(standing).encode())
        os.closerange(3, 256)
        os.execve(cell["command"][0], cell["command"], cell["environment"])
    except BaseException as error:  # this is a copy of the supervisor: it must not go on as one
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(NOT_STARTED)


def _wait(job: int, deadline: float) -> int:
    while time.monotonic() < deadline:
        ended, status = os.waitpid(job, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        lifeline, _, _ = select.select([0], [], [], 0.02)
        if lifeline and not os.read(0, 1):
            break
    return TIMED_OUT


def _end_everything(job: int) -> None:
    """Kill the job's process group and, on Linux, every process below this one, until there is none."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(job, signal.SIGKILL)
    while True:
        for process in _below(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _below(ancestor: int) -> list[int]:
    """The processes that `ancestor` started and those that they started (Linux; elsewhere none)."""
    if not _LINUX:
        return []
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):  # it ended in the meantime
                # "pid (name) state parent ...": a name may hold anything, a bracket too
                parents[int(entry)] = int(
                    Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1]
                )
    found, generation = [], [ancestor]
    while generation:
        generation = [process for process, parent in parents.items() if parent in generation]
        found += generation
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
