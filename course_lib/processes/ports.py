"""Ports of this machine's loopback address: one that is free, and whether a server can have a given one."""

import contextlib
import os
import socket
import sys
from collections.abc import Iterator

from course_lib.i18n import _

HOST = "127.0.0.1"


def free_port() -> int:
    """Return the number of a TCP port that no program on this machine listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def held_port() -> Iterator[int]:
    """A free port that the system gives to nobody else while the block runs; who knows it may listen."""
    if sys.platform != "linux":  # elsewhere nobody could listen there either
        yield free_port()
        return
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        holder.bind((HOST, 0))
        yield holder.getsockname()[1]


def require_free(port: int, name: str) -> None:
    """Raise RuntimeError, with what to do, where the server `name` can't have this port.

    >>> require_free(free_port(), "a server")
    """
    with socket.socket() as probe:
        if os.name == "posix":  # as servers do; on Windows the same option would take the port from its owner
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
