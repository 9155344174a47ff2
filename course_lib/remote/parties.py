"""The parties as processes of their own: start them, have a function run there, end them for certain.

    hospital = start_machine("hospital@clinic.example", owner=True, drive=drive)
    hospital.run(publish, "admissions")

`run` sends the *text* of a function to the party's process, runs it there and brings back what it returns.
The function's first argument is that machine: `here.client` is its PySyft client, `here.folder` its own
folder, and with a data owner `here.desk` is the desk where jobs are reviewed. The function knows nothing of
the one who sent it: whatever it needs, it imports or is handed. A function of `course_lib` is called by its
name instead.

Promises: a machine ends with its process tree, its folder and its temporary files when it is stopped, when
the `Machine` is dropped, and when the notebook's kernel exits or is killed. An error over there is raised
here, as `MachineError`, with its message and without its traceback, which could quote private values.
"""

import contextlib
import inspect
import json
import secrets
import selectors
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import httpx

from course_lib.i18n import _
from course_lib.processes import ServerProcess
from course_lib.processes.ending import end

SECONDS_TO_START = 60
_CHUNK = 65536


class MachineError(RuntimeError):
    """What a party's process reports: the kind of error and its message."""


@dataclass
class DriveAccess:
    """A running drive, and the token of each account on it."""

    process: ServerProcess
    tokens: dict[str, str] = field(repr=False)  # who has one can read that account

    def everything(self) -> list[dict]:
        """What the drive's operator sees: `name`, `owner` and `content` (base64) of each file."""
        from course_lib.remote.drive import OPERATOR

        headers = {"Authorization": f"Bearer {self.tokens[OPERATOR]}"}
        answer = httpx.get(f"{self.process.url}/everything", headers=headers, trust_env=False)
        answer.raise_for_status()
        return answer.json()

    def stop(self) -> None:
        """End the drive's process; what it held is gone."""
        self.process.stop()


def open_drive(emails: Iterable[str]) -> DriveAccess:
    """Start a drive with an account for each of `emails`, and one for its operator."""
    from course_lib.remote.drive import OPERATOR, start_drive

    tokens = {email: secrets.token_urlsafe(32) for email in (*emails, OPERATOR)}
    return DriveAccess(start_drive({token: email for email, token in tokens.items()}), tokens)


class Machine:
    """A party's process; `start_machine` makes it. As a context manager it stops at the block's end."""

    def __init__(self, process: subprocess.Popen, email: str, log, folder: str):
        self.email = email
        self.pid = process.pid
        self._process, self._log, self._unread = process, log, b""
        # Runs once: at stop(), when this object is dropped, or when the interpreter exits.
        self._end = weakref.finalize(self, _end, process, log, folder)

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def run(self, function: Callable, *arguments, timeout: float = 90, **named):
        """Run `function(here, *arguments, **named)` over there; what it returns. All pass through JSON.

        Raises MachineError with what went wrong over there, and after `timeout` seconds, when the machine is
        stopped; TypeError for arguments that JSON can't say.
        """
        order = {"name": function.__name__, "arguments": list(arguments), "named": named}
        if function.__module__.startswith("course_lib."):
            order["module"] = function.__module__
        else:
            order["source"] = textwrap.dedent(inspect.getsource(function))
        return self._order(order, timeout)

    def log(self) -> str:
        """The end of what PySyft printed over there."""
        with open(self._log.name, encoding="utf-8", errors="replace") as log:
            return log.read()[-_CHUNK:]

    def stop(self) -> None:
        """End the machine, with what it started, and remove its folder; harmless when that has been done."""
        self._end()

    def _order(self, order: dict, timeout: float):
        line = json.dumps(order).encode() + b"\n"
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
            reply = json.loads(self._read_line(time.monotonic() + timeout))
        except (OSError, EOFError, ValueError) as error:  # ValueError: its standard input is closed
            self.stop()
            message = _("The machine of {email} has ended.")
            raise MachineError(message.format(email=self.email)) from error
        if "error" in reply:
            raise MachineError(reply["error"])
        return reply["value"]

    def _read_line(self, deadline: float) -> bytes:
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(deadline - time.monotonic(), 0)):
                    self.stop()
                    message = _("The machine of {email} did not answer in time and was stopped.")
                    raise MachineError(message.format(email=self.email))
                chunk = self._process.stdout.read1(_CHUNK)
                if not chunk:
                    raise EOFError
                self._unread += chunk
        line, self._unread = self._unread.split(b"\n", 1)
        return line

    def __enter__(self) -> "Machine":
        return self

    def __exit__(self, *_error) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"{self.email} ({_('running') if self.running else _('stopped')})"


def start_machine(email: str, *, owner: bool, drive: DriveAccess, encryption: bool = True) -> Machine:
    """Start the process of the party `email`; `owner` says whether it owns data or asks about them.

    With `encryption`, parties encrypt and sign what they send each other; all of them or none. Raises
    MachineError where it can't start.
    """
    log = tempfile.NamedTemporaryFile(prefix="course_machine_", suffix=".log")  # noqa: SIM115, closed in _end
    folder = tempfile.mkdtemp(prefix="course_machine_")
    process = subprocess.Popen(
        [sys.executable, "-m", "course_lib.remote.machine"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        start_new_session=True,
    )
    machine = Machine(process, email, log, folder)
    party = {
        "folder": folder,
        "email": email,
        "owner": owner,
        "url": drive.process.url,
        "token": drive.tokens[email],
        "encryption": encryption,
    }
    try:
        machine._order(party, SECONDS_TO_START)
    except BaseException:  # an interrupt by the learner too must leave no process behind
        machine.stop()
        raise
    return machine


def introduce(researcher: Machine, owner: Machine) -> None:
    """The researcher asks to be a peer, and the owner agrees: who is no peer can't hand in a job."""
    researcher.run(ask_to_be_peer, owner.email)
    owner.run(accept_peer, researcher.email)
    researcher.run(load_peers)


def ask_to_be_peer(here, owner: str) -> None:
    """The researcher's first step of `introduce`."""
    here.client.add_peer(owner, sync=False)


def accept_peer(here, researcher: str) -> None:
    """The owner's step of `introduce`."""
    here.client.load_peers()
    here.client.approve_peer_request(researcher)


def load_peers(here) -> None:
    """The researcher's last step of `introduce`: to learn that the owner has agreed."""
    here.client.load_peers()


def _end(process: subprocess.Popen, log, folder: str) -> None:
    with contextlib.suppress(OSError):  # its end of the pipe is gone already
        process.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):  # then it is ended from outside
        process.wait(10)
    end(process)
    process.stdout.close()
    log.close()
    shutil.rmtree(folder, ignore_errors=True)  # where it could not do so itself
