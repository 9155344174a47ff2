"""Every test's surroundings: one thread a library, and nothing written into the reader's own home."""

import contextlib
import itertools
import os
import socket
import sys
import tempfile

import hypothesis
import pytest
from jupyter_client.connect import ConnectionFileMixin, LocalPortCache
from nbval.plugin import IPyNbCell

HOME_OF_A_LEARNER = pytest.StashKey[tempfile.TemporaryDirectory]()
CACHE = pytest.StashKey[tempfile.TemporaryDirectory]()

# Two workers run at once on two cores. Set before any library is imported, and handed on to the
# kernels and servers that tests start, so that no process starts a thread per core on top of that.
for variable in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# `make test` tells a make below it to go on in its ways; the ones that tests call are on their own.
for variable in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
    os.environ.pop(variable, None)
# Tests read messages in English, whatever the machine speaks; a notebook still speaks its folder's language.
os.environ["COURSE_LANG"] = "en"


def pytest_configure(config: pytest.Config) -> None:
    """Exercises that tests and notebooks solve are noted in a folder of their own; long work is kept in one.

    The workers of a run have a home each, and inherit the one cache: what one computes, the others find.
    """
    config.stash[HOME_OF_A_LEARNER] = tempfile.TemporaryDirectory(prefix="course_home_")
    os.environ["COURSE_HOME"] = config.stash[HOME_OF_A_LEARNER].name
    if not hasattr(config, "workerinput"):  # not a worker: the run itself
        config.stash[CACHE] = tempfile.TemporaryDirectory(prefix="course_cache_")
        os.environ["COURSE_CACHE"] = config.stash[CACHE].name


# The same examples in every run: what fails here fails for everybody, and what passes in CI passes here.
hypothesis.settings.register_profile("course", derandomize=True, deadline=None)
hypothesis.settings.load_profile("course")


_NUMBERS: dict[int, itertools.count] = {}  # one for each process: a fork would go on where its parent is


def _port_of_a_kernel(_cache: LocalPortCache, ip: str) -> int:
    """Below the ports that the system gives out: a kernel asks for five and takes them a second later."""
    for number in _NUMBERS.setdefault(os.getpid(), itertools.count(997 * os.getpid())):
        with contextlib.suppress(OSError), socket.socket() as probe:
            port = 20_000 + number % 12_000
            probe.bind((ip, port))
            return port


LocalPortCache.find_available_port = _port_of_a_kernel

_connect_iopub = ConnectionFileMixin.connect_iopub


def _connect_iopub_without_limit(self: ConnectionFileMixin, identity: bytes | None = None):
    """nbval reads what a cell said after its end: a socket that keeps a thousand messages loses the last."""
    self.context.rcvhwm = 0
    return _connect_iopub(self, identity)


ConnectionFileMixin.connect_iopub = _connect_iopub_without_limit


def pytest_itemcollected(item: pytest.Item) -> None:
    """nbval gives a cell that has ended five seconds to say so: a busy machine may take longer."""
    if isinstance(item, IPyNbCell):
        item.output_timeout = 60


def pytest_unconfigure(config: pytest.Config) -> None:
    for folder in (HOME_OF_A_LEARNER, CACHE):
        if folder in config.stash:
            config.stash[folder].cleanup()


@pytest.fixture(autouse=True)
def own_main_module(monkeypatch):
    """Streamlit's test page leaves its script as `__main__`: a process spawned later would begin with it."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
