"""Whether a process is still there: asked again and again, while it ends and is forgotten by the system."""

import psutil


def alive(process: psutil.Process) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it went between the two questions
        return False


def gone(pid: int) -> bool:
    """Whether no process has this number, or only what is left of one that has ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
