"""The walls around a job, each tried from inside, and the end of everything it started."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from course_lib.remote import runner, walls
from course_lib.remote.supervisor import NOT_STARTED, TIMED_OUT
from process_parts import gone
from remote_house import require_landlock

ROOT = Path(runner.__file__).parents[2]
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux finds children that left the group")


@pytest.fixture
def cell(tmp_path):
    """Start a cell with Python code in it: `cell(code, seconds=...)` returns the running supervisor."""
    folder = tmp_path / "cell"
    folder.mkdir()

    def start(code, *, seconds=20.0, command=sys.executable, **limits):
        description = {
            "command": [command, "-c", code],
            "environment": {"PATH": "/usr/bin:/bin", "HOME": str(folder)},
            "folder": str(folder),
            "readable": list(runner._READABLE),
            "writable": [str(folder), "/dev/null"],
            "seconds": seconds,
            "limits": {**runner.LIMITS, **limits},
            "log": str(tmp_path / "log"),
            "walls": str(tmp_path / "walls"),
        }
        (tmp_path / "cell.json").write_text(json.dumps(description))
        return subprocess.Popen(
            [sys.executable, "-S", "-m", "course_lib.remote.supervisor", str(tmp_path / "cell.json")],
            stdin=subprocess.PIPE,
            env={"PYTHONPATH": str(ROOT)},
        )

    def run(code, **settings):
        with start(code, **settings) as supervisor:
            supervisor.wait(60)
        return supervisor.returncode, (tmp_path / "log").read_text()

    run.start = start
    run.folder = folder
    return run


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def test_the_exit_code_and_the_output_are_the_commands(cell):
    assert cell("import sys; print('here'); sys.exit(3)") == (3, "here\n")


def test_a_command_that_is_killed_is_told_from_one_that_failed(cell):
    assert cell("import os; os.kill(os.getpid(), 9)")[0] == 128 + 9


def test_the_environment_is_the_one_described(cell, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_HOSPITAL", "1234")
    code, log = cell("import os; print(sorted(os.environ))")
    assert code == 0 and "SECRET" not in log and "HOME" in log


def test_the_time_limit_ends_it(cell):
    start = time.monotonic()
    assert cell("import time; print('x', end='', flush=True); time.sleep(100)", seconds=3) == (
        TIMED_OUT,
        "x",
    )
    assert time.monotonic() - start < 20


CHILD = (
    "import os, time\npid = os.fork()\nif pid == 0:\n    {}\n    time.sleep(100)\nprint(pid, flush=True)\n"
)


@linux
@pytest.mark.parametrize("hides", ["pass", "os.setsid()", "os.setsid(); os.close(1); os.close(2); os.fork()"])
@pytest.mark.parametrize("then", ["time.sleep(100)", "pass"])
def test_what_it_started_ends_with_it(cell, hides, then):
    code, log = cell(CHILD.format(hides) + then, seconds=3 if "sleep" in then else 20)
    assert code == (TIMED_OUT if "sleep" in then else 0)
    assert gone(int(log.split()[0]))


@linux
@pytest.mark.parametrize("end", ["close", signal.SIGTERM, signal.SIGKILL])
def test_it_ends_when_the_one_who_started_it_is_gone(cell, end, tmp_path):
    supervisor = cell.start("import os, time; print(os.getpid(), flush=True); time.sleep(100)")
    wait_for(lambda: (tmp_path / "log").exists() and (tmp_path / "log").read_text().endswith("\n"))
    job = int((tmp_path / "log").read_text())
    assert psutil.pid_exists(job)
    supervisor.stdin.close() if end == "close" else supervisor.send_signal(end)
    supervisor.wait(20)
    supervisor.stdin.close()
    wait_for(lambda: gone(job))


@linux
@pytest.mark.parametrize("end", ["close", signal.SIGTERM])
def test_hidden_children_end_too_when_it_is_told_to_end(cell, end, tmp_path):
    supervisor = cell.start(CHILD.format("os.setsid()") + "time.sleep(100)")
    wait_for(lambda: (tmp_path / "log").exists() and (tmp_path / "log").read_text().endswith("\n"))
    supervisor.stdin.close() if end == "close" else supervisor.send_signal(end)
    supervisor.wait(20)
    supervisor.stdin.close()
    wait_for(lambda: gone(int((tmp_path / "log").read_text())))


def test_memory_and_files_have_a_limit(cell):
    assert "MemoryError" in cell("bytearray(2 * 2**30)", AS=2**30)[1]
    assert "File too large" in cell("open('big', 'wb').write(bytes(20_000_000))")[1]


def test_a_command_that_is_not_there_is_said(cell):
    code, log = cell("pass", command="/no/such/program")
    assert code == NOT_STARTED and "FileNotFoundError" in log


@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/passwd')",
        "open('../cell.json')",
        "open('/proc/1/environ')",
        "import os; os.listdir('/')",
        "import os; os.symlink('/etc/passwd', 'link'); open('link')",
        "open('../outside', 'w')",
        "import os; os.rename('../cell.json', 'mine')",
        "import os; os.remove('../cell.json')",
        "import os; os.mkdir('../folder')",
        f"open({str(ROOT / 'course_lib' / '__init__.py')!r}, 'a')",
    ],
)
def test_nothing_outside_can_be_opened_or_changed(cell, code, tmp_path):
    require_landlock()
    exit_code, log = cell(code)
    assert exit_code == 1 and ("PermissionError" in log or "Invalid cross-device link" in log)
    assert (tmp_path / "cell.json").exists() and not (tmp_path / "outside").exists()
    assert json.loads((tmp_path / "walls").read_text())["files"] is True


def test_inside_the_cell_it_reads_writes_and_imports(cell):
    code = "import numpy, os; os.mkdir('a'); open('a/b', 'w').write('x'); print(numpy.arange(2))"
    assert cell(code) == (0, "[0 1]\n")


def test_there_is_no_network(cell, tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
        exit_code, log = cell(code)
        standing = json.loads((tmp_path / "walls").read_text())
        assert (exit_code == 1) == standing["tcp"], log
        if standing["network"]:
            udp = "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))"
            assert "unreachable" in cell(udp)[1]


def test_landlock_refuses_tcp_by_itself():
    if walls.landlock_version() < 4:
        pytest.skip("TCP is refused from version 4 of Landlock on")
    code = (
        "import socket\nfrom course_lib.remote import walls\n"
        "walls.restrict(readable=['/'], writable=['/dev/null'])\n"
        "socket.create_connection(('127.0.0.1', 1), 5)"
    )
    tried = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "PermissionError" in tried.stderr


def test_a_signal_does_not_reach_those_outside(cell, tmp_path):
    require_landlock()
    if walls.landlock_version() < 6:
        pytest.skip("signals are refused from version 6 of Landlock on")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        exit_code, log = cell(f"import os; os.kill({other.pid}, 9)")
        assert exit_code == 1 and "PermissionError" in log and other.poll() is None
        other.kill()


def test_without_landlock_it_says_so_and_claims_nothing(monkeypatch):
    monkeypatch.setattr(walls, "landlock_version", lambda: 0)
    assert walls.restrict(readable=[], writable=[]) == 0
    assert os.listdir("/")  # nothing was restricted in this process


def test_a_limit_that_the_system_does_not_know_is_told():
    assert walls.limit_resources({"NO_SUCH_LIMIT": 1}) is False
