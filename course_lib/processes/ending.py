"""Ending a process for certain, together with the processes that it started."""

import contextlib
import os
import signal
import subprocess

import psutil

from course_lib.processes.lifeline import GRACE

_POSIX = os.name == "posix"


def end(process: subprocess.Popen, *, grace: float = GRACE) -> None:
    """Ask `process`, the leader of a session, to end; kill what is left of it after `grace` seconds."""
    family = _family(process)
    if process.poll() is None:
        _ask_to_end(process, grace)
    for member in {*family, *_family(process)}:
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended by itself in the meantime
            member.kill()
    process.wait(GRACE)
    psutil.wait_procs(family, timeout=GRACE)


def _ask_to_end(process: subprocess.Popen, grace: float) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended by itself, and another thread has seen to that
        if _POSIX:
            os.killpg(process.pid, signal.SIGTERM)
        else:
            process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):  # the caller kills what did not listen
        process.wait(grace)


def _family(process: subprocess.Popen) -> list[psutil.Process]:
    """Return `process`, where it is still there, and the processes that it started."""
    gone = process.poll() is not None
    if gone and (not _POSIX or psutil.pid_exists(process.pid)):  # its number may name another program now
        return []
    if _POSIX:
        return [member for member in psutil.process_iter() if _session(member.pid) == process.pid]
    server = psutil.Process(process.pid)
    return [server, *server.children(recursive=True)]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):  # ended, or not ours
        return None
