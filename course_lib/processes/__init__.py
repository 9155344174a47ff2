"""Servers that a notebook starts: real processes, which answer before you go on and end for certain.

Promises: `start_server` returns when the server answers, or raises within its `timeout` with the end of
the server's log. A server ends, with the processes it started, when it is stopped, when its
`ServerProcess` is dropped, when the notebook's kernel exits, and, if it called `exit_with_parent`,
when the kernel is killed. Nothing is left behind: no port, no temporary file, no zombie.
Servers listen on this machine's loopback address alone.

Leaves out: starting a server again that died, and servers that other machines may call. On Linux a
server's port is held until the server listens there; elsewhere it is free when it is looked for, and in
the rare case that another program takes it first, `start_server` says that it failed.
"""

from course_lib.processes.lifeline import exit_with_parent
from course_lib.processes.ports import HOST, free_port, require_free
from course_lib.processes.server import ServerProcess, start_server

__all__ = ["HOST", "ServerProcess", "exit_with_parent", "free_port", "require_free", "start_server"]
