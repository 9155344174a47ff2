"""Two notebooks of one person and one cluster: the first keeps it open, the second finds it and visits.

The first puts a notice with the cluster's addresses beside its tokens, where this user alone can read; the
second looks there, and starts a cluster of its own where it finds none. So nobody types an address, and
notebooks that run at the same time don't get into each other's way.

Promises that a notice is gone with its cluster, that a cluster which no longer answers is passed over, that
`visit` says which cluster it found or started, and that `close` waits for visitors, within a bound. Where
`visit` starts a cluster, the model is shared by a process of its own, so that the visitor never has it.
Leaves out other machines and other users: there, addresses and credentials are handed over by people.
"""

import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from course_lib.i18n import _
from course_lib.mpc import credentials
from course_lib.mpc.cluster import TFECluster
from course_lib.mpc.credentials import CLIENT
from course_lib.mpc.spec import PARTIES, ModelSpec
from course_lib.mpc.worker import TFEWorker
from course_lib.processes import exit_with_parent
from course_lib.processes.lifeline import LIFELINE

SECONDS_TO_ANSWER = 3  # for parties that are on this machine
SECONDS_TO_SHARE = 600  # the owner may have to train first
SECONDS_TO_LEAVE = 600  # for visitors, before the cluster is closed all the same
_SECONDS_BETWEEN_LOOKS = 0.3
_INPUT_SHAPE, _OUTPUT_SHAPE = (28, 28, 1), (10,)
_PARTY = "course_lib.mpc.party"
_NOTICE, _VISITORS = "notice.json", "visitors"


class Visit:
    """A cluster that serves the lessons' digits, and the folder in which its parties record what they get.

    `record` is None where they don't. As a context manager it leaves at the block's end.
    """

    def __init__(self, cluster: TFECluster, record: Path | None, at_the_end: contextlib.ExitStack):
        self.cluster, self.record = cluster, record
        self._at_the_end = at_the_end

    def leave(self) -> None:
        """Leave: a cluster that `visit` started is stopped, any other stays; harmless when that is done."""
        self._at_the_end.close()

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *_error) -> None:
        self.leave()


def open_to_visitors(cluster: TFECluster, *, record: str | os.PathLike | None = None) -> None:
    """Let other notebooks of this user find a cluster that this one has started.

    `record` is the folder that `cluster.start` was given. Raises RuntimeError where the cluster is not one
    that was started on this machine.
    """
    place = credentials.meeting_place(cluster.hosts)
    if not place.is_dir():
        raise RuntimeError(_("A cluster that was started on this machine was expected."))
    credentials.make_private_folder(place / _VISITORS)
    notice = {"hosts": cluster.hosts, "record": None if record is None else str(Path(record).resolve())}
    credentials.write_private_file(place / _NOTICE, json.dumps(notice).encode())


def visit() -> Visit:
    """A cluster that this user keeps open, the newest one first, or else one of our own; says which."""
    for place in _open_places():
        found = _enter(place)
        if found is not None:
            print(_("Another notebook keeps a cluster open, and we ask that one."))
            return found
    print(_("No other notebook keeps a cluster open. We start one; its owner, a process of its own, shares"
            " the model and leaves."), flush=True)  # fmt: skip
    return _start_own()


def close(cluster: TFECluster, *, patience: float = SECONDS_TO_LEAVE) -> None:
    """Stop a cluster as soon as no visitor is left, or `patience` seconds from now; an interrupt: at once."""
    deadline, told = time.monotonic() + patience, False
    try:
        while _has_visitors(cluster) and time.monotonic() < deadline:
            if not told:
                print(_("Another notebook is still asking. We wait until it leaves; interrupt the kernel (■)"
                        " to stop now."), flush=True)  # fmt: skip
                told = True
            time.sleep(_SECONDS_BETWEEN_LOOKS)
    except KeyboardInterrupt:
        print(_("Stopped, though another notebook was still asking."))
    finally:
        cluster.stop()


def running_parties() -> dict[str, psutil.Process]:
    """The parties that this process has started and that are running, by name."""
    found = {}
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            words = process.cmdline()
            if _PARTY in words:
                found[words[words.index(_PARTY) + 1]] = process
    return {party: found[party] for party in PARTIES if party in found}


def _open_places() -> list[Path]:
    """Where notices are, the newest one first."""
    notices, all_places = [], credentials.meeting_place([]).parent
    for notice in all_places.glob(f"*/{_NOTICE}"):
        with contextlib.suppress(FileNotFoundError):  # closed just now
            notices.append((notice.stat().st_mtime_ns, notice.parent))
    return [place for _time, place in sorted(notices, reverse=True)]


def _enter(place: Path) -> Visit | None:
    """A visit to the cluster whose notice is in `place`, or None where it does not serve our model."""
    with contextlib.ExitStack() as at_the_end:
        try:
            notice = json.loads((place / _NOTICE).read_text(encoding="utf-8"))
            cluster = TFECluster(*map(TFEWorker, notice["hosts"]))
            record = notice["record"] and Path(notice["record"])
            at_the_end.enter_context(_visitors_mark(place))  # first of all: from here on it is not closed
            if not _serves_digits(cluster):
                return None
        except (OSError, ValueError, TypeError, KeyError, RuntimeError, PermissionError):
            return None  # it is closed already, or does not answer
        return Visit(cluster, record, at_the_end.pop_all())


def _serves_digits(cluster: TFECluster) -> bool:
    """Whether the three answer, without end, questions about the lessons' images."""
    with cluster.connect(CLIENT) as client:
        states = [answer.json() for answer in client.ask("GET", "/state", timeout=SECONDS_TO_ANSWER)]
    for state in states:
        if state["closed"] is not None or state["num_requests"] is not None:
            return False
        spec = ModelSpec.from_json(state["spec"])
        if (spec.input_shape, spec.output_shape) != (_INPUT_SHAPE, _OUTPUT_SHAPE):
            return False
    return True


@contextlib.contextmanager
def _visitors_mark(place: Path):
    """A file that is locked while we visit; the system unlocks it, however this process ends."""
    mark = place / _VISITORS / f"{secrets.token_hex(8)}.lock"
    with FileLock(mark, timeout=0):
        yield
        mark.unlink(missing_ok=True)


def _has_visitors(cluster: TFECluster) -> bool:
    for mark in (credentials.meeting_place(cluster.hosts) / _VISITORS).glob("*.lock"):
        try:
            with FileLock(mark, timeout=0):
                mark.unlink(missing_ok=True)  # of one that was killed
        except Timeout:
            return True
    return False


def _start_own() -> Visit:
    """A cluster of our own, which nobody else finds, with the model shared and served."""
    with contextlib.ExitStack() as at_the_end:
        record = at_the_end.enter_context(tempfile.TemporaryDirectory(prefix="course-mpc-"))
        cluster = TFECluster(TFEWorker(), TFEWorker(), TFEWorker())
        at_the_end.callback(cluster.stop)
        cluster.start(record=record)
        _let_owner_share(cluster)
        return Visit(cluster, Path(record), at_the_end.pop_all())


def _let_owner_share(cluster: TFECluster) -> None:
    """Run the owner, who shares the model with a cluster and is gone after that; RuntimeError if it fails."""
    lifeline, ours = os.pipe()  # it ends when this process does
    try:
        owner = subprocess.run(
            [sys.executable, "-m", __name__, *cluster.hosts],
            stdin=lifeline, capture_output=True,
            timeout=SECONDS_TO_SHARE, env=os.environ | {LIFELINE: "1", "PYTHONIOENCODING": "utf-8"},
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        sentence = _("The owner did not share the model within {seconds} seconds.")
        raise RuntimeError(sentence.format(seconds=SECONDS_TO_SHARE)) from error
    finally:
        os.close(lifeline)
        os.close(ours)
    said, complained = (text.decode("utf-8", errors="replace") for text in (owner.stdout, owner.stderr))
    if owner.returncode != 0:
        reason = (complained.strip().splitlines() or ["?"])[-1]
        raise RuntimeError(_("The owner could not share the model: {reason}").format(reason=reason))
    print(said, end="", flush=True)


def main(hosts: list[str]) -> None:
    """The owner's process: share the lessons' network with the parties at `hosts`, and let them serve it."""
    from course_lib.mpc import digits
    from course_lib.mpc.shared_model import share

    exit_with_parent()
    share(digits.trained_network(), TFECluster(*map(TFEWorker, hosts))).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
