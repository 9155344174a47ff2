"""Walls that an ordinary user can put around a process: which files, which network, how much of the machine.

A process builds them around itself and can't tear them down again; what it starts is inside too. Everything
here is the operating system's own; nothing is installed and no administrator is asked:

- `limit_resources`: the size of a file, memory and open files (`setrlimit`, POSIX);
- `leave_network`: a network namespace with no network in it (Linux, where user namespaces are allowed);
- `restrict`: Landlock; no file can be opened, and no TCP connection made, but what is listed (Linux 5.13 on;
  TCP from 6.7 on).

Each function returns what it achieved, and never claims more: elsewhere a wall is simply not there. It
needs the standard library alone. Leaves out system calls (seccomp), and whatever a fault in the kernel lets
through.
"""

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterable, Mapping

_LINUX = sys.platform == "linux"
# Landlock's calls have the same numbers on every processor that Linux runs on; include/uapi/linux/landlock.h.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_FOR_VERSION, _RULE_PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1, 1 << 1, 1 << 2, 1 << 3, 1 << 14
_READING = _EXECUTE | _READ_FILE | _READ_DIR
_ON_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE  # the other rights are about folders
_RIGHTS_BY_VERSION = (0, 13, 14, 15, 15)  # how many rights on files a version knows; 16 from the fifth on
_TCP, _UNIX_SOCKETS_AND_SIGNALS = 0b11, 0b11
_NO_NEW_PRIVILEGES = 38
_NEW_USER_NAMESPACE, _NEW_NETWORK_NAMESPACE = 0x10000000, 0x40000000


def limit_resources(limits: Mapping[str, int]) -> bool:
    """Limit this process, and each one it starts: `limits` maps names of `resource.RLIMIT_*` to a number.

    Whether the system took all of them. Limits hold for one process at a time, not for all together.
    """
    import resource

    taken = True
    for name, most in limits.items():
        try:
            limit = getattr(resource, f"RLIMIT_{name}")
            resource.setrlimit(limit, (most, most))
        except (AttributeError, ValueError, OSError):  # unknown to this system, or it has a lower limit
            taken = False
    return taken


def leave_network() -> bool:
    """Move this process, which has one thread, to a network with nothing in it; whether that worked."""
    if not _LINUX:
        return False
    user, group = os.getuid(), os.getgid()
    if _libc().unshare(_NEW_USER_NAMESPACE | _NEW_NETWORK_NAMESPACE) != 0:
        return False
    with contextlib.suppress(OSError):  # without the map we are "nobody", which does no harm
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    return True


def landlock_version() -> int:
    """The version of Landlock that this system has, 0 for none."""
    if not _LINUX:
        return 0
    return max(_libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_FOR_VERSION), 0)


def restrict(*, readable: Iterable[str], writable: Iterable[str]) -> int:
    """Let this process open the files and folders listed, and nothing else; Landlock's version, 0 for none.

    Paths that do not exist are left out. From version 4 on TCP is refused too, from version 6 on Unix sockets
    without a file and signals to processes outside.
    """
    version = landlock_version()
    if version == 0:
        return 0
    count = _RIGHTS_BY_VERSION[version] if version < len(_RIGHTS_BY_VERSION) else 16
    every = (1 << count) - 1
    wanted = _Ruleset(
        files=every,
        network=_TCP if version >= 4 else 0,
        scope=_UNIX_SOCKETS_AND_SIGNALS if version >= 6 else 0,
    )
    # Older kernels refuse a structure longer than the one they know.
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _checked(_libc().syscall(_CREATE_RULESET, ctypes.byref(wanted), ctypes.c_size_t(size), 0))
    for paths, rights in ((readable, _READING), (writable, every)):
        for path in paths:
            _allow(ruleset, path, rights & every)
    _checked(_libc().prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    _checked(_libc().syscall(_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)
    return version


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scope", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("rights", ctypes.c_uint64), ("folder", ctypes.c_int32)]


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not os.path.isdir(path):
            rights &= _ON_A_FILE
        rule = _PathBeneath(rights, opened)
        _checked(_libc().syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0))
    finally:
        os.close(opened)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
