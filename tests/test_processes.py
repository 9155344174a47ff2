"""Servers start, answer and end: on request, by themselves, and when the one who started them is killed."""

import gc
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from course_lib import processes
from course_lib.i18n import use_language
from course_lib.processes import ending, lifeline
from course_lib.processes.ports import held_port
from process_parts import gone

REPOSITORY = Path(__file__).parents[1]

SERVER = """
    import argparse, os, signal, subprocess, sys
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from course_lib.processes import exit_with_parent

    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--status", type=int, default=200)
    parser.add_argument("--child", action="store_true")
    parser.add_argument("--stubborn", action="store_true")
    parser.add_argument("--write", type=int, default=0)
    chosen = parser.parse_args()
    exit_with_parent()
    if chosen.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("secret" in os.environ, os.environ.get("SHOWN"), os.environ.get("COURSE_LIFELINE"), flush=True)
    if chosen.child:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print("child", child.pid, flush=True)
    print("x" * chosen.write + "the end", flush=True)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(chosen.status)
            self.end_headers()

    HTTPServer(("127.0.0.1", chosen.port), Handler).serve_forever()
"""


@pytest.fixture(autouse=True)
def english():
    with use_language("en"):
        yield


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start the small server above; whatever the test does, it is gone afterwards."""
    script = tmp_path / "server.py"
    script.write_text(textwrap.dedent(SERVER))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    started = []

    def start(*options, **settings):
        settings = {"name": "The test server", "ready_path": "/health", "timeout": 20, **settings}
        started.append(processes.start_server([str(script), *options], **settings))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def children():
    return set(psutil.Process().children(recursive=True))


def wait_until(condition, within=20):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true"
        time.sleep(0.02)


def child_of(server):
    """The process that the server says it has started; what it writes may reach us after its first answer."""
    wait_until(lambda: "the end" in server.log())
    return int(server.log().split("child ")[1].split()[0])


def test_a_server_answers_until_it_is_stopped(start):
    server = start("--write", "3", env={"SHOWN": "yes"})
    without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    assert without_proxy.open(server.url, timeout=10).status == 200
    assert server.running and psutil.pid_exists(server.pid)
    assert repr(server) == f"The test server: {server.url} (running)"
    server.stop()
    server.stop()
    assert not psutil.pid_exists(server.pid) and not server.running
    assert server.log().splitlines()[:2] == ["False yes None", "xxxthe end"]  # the lifeline is not handed on
    with pytest.raises(OSError):
        socket.create_connection((processes.HOST, server.port), timeout=1)
    assert "stopped" in repr(server)


def test_the_block_ends_the_server_also_by_an_error(start):
    with pytest.raises(ZeroDivisionError), start() as server:
        raise ZeroDivisionError
    assert not psutil.pid_exists(server.pid)


def test_a_server_that_nobody_holds_ends(tmp_path, start):
    server = processes.start_server([str(tmp_path / "server.py")], name="server", ready_path="/")
    pid = server.pid
    del server
    gc.collect()
    assert not psutil.pid_exists(pid)


@pytest.mark.skipif(os.name == "nt", reason="Windows ends processes without asking")
def test_a_server_that_ignores_the_request_to_end_is_killed(start):
    server = start("--stubborn")
    server.stop(grace=0.5)
    assert not psutil.pid_exists(server.pid)


def test_what_the_server_started_ends_with_it(start):
    server = start("--child")
    child = child_of(server)
    assert not gone(child)
    server.stop()
    assert gone(child)


@pytest.mark.skipif(os.name == "nt", reason="on Windows a dead server's children are not found")
def test_what_the_server_started_ends_even_if_it_died_before(start):
    server = start("--child")
    child = child_of(server)
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: not server.running)
    assert not gone(child)
    server.stop()
    assert gone(child)


def test_a_stranger_with_a_dead_servers_number_is_left_alone():
    stranger = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True
    )
    with stranger:
        dead = SimpleNamespace(pid=stranger.pid, poll=lambda: 0, wait=lambda timeout: 0)
        ending.end(dead, grace=1)
        assert stranger.poll() is None
        stranger.communicate(b"\n", timeout=20)
    assert stranger.returncode == 0  # it was not killed


def test_a_server_that_ends_just_before_it_is_asked_to(monkeypatch):
    """The thread that reads its log reaps it, and until that thread is done `poll` says that it runs."""
    process = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    process.wait()
    monkeypatch.setattr(process, "poll", lambda: None)
    ending.end(process, grace=1)


def test_a_server_that_dies_later_leaves_no_zombie(start):
    server = start()
    psutil.Process(server.pid).kill()
    wait_until(lambda: not psutil.pid_exists(server.pid))  # first: to ask whether it runs would reap it
    wait_until(lambda: not server.running)  # the thread that reaped it may not have noted that yet


def test_a_server_that_dies_at_once_is_an_error_with_its_log():
    before = children()
    with pytest.raises(RuntimeError, match="(?s)The stillborn ended with exit code 3 .*last words"):
        processes.start_server(
            ["-c", "import sys; print('last words'); sys.exit(3)"], name="The stillborn", ready_path="/"
        )
    assert children() <= before


def test_a_server_that_says_nothing_before_it_dies_is_an_error_too():
    with pytest.raises(RuntimeError, match="(?s)exit code 0 .*nothing was written"):
        processes.start_server(["-c", ""], name="The silent one", ready_path="/")


@pytest.mark.parametrize(("options", "status"), [(["--status", "503"], 503), (["--status", "307"], 307)])
def test_a_server_that_is_never_ready_is_an_error_within_its_time(start, options, status):
    before, started = children(), time.monotonic()
    with pytest.raises(RuntimeError, match=rf"GET /health within 2 seconds \(last status: {status}\)"):
        start(*options, timeout=2)
    assert children() <= before and time.monotonic() - started < 15


def test_a_server_that_accepts_and_is_silent_is_an_error_within_its_time():
    silent = (
        "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[2])))\n"
        "print('listening'); time.sleep(600)"
    )
    before = children()
    with pytest.raises(RuntimeError, match=r"(?s)within 2 seconds \(last status: None\).*listening"):
        processes.start_server(["-c", silent], name="The mute", ready_path="/", timeout=2)
    assert children() <= before


def test_a_server_that_works_before_it_answers_is_waited_for():
    working = (
        "import http.server, sys, time\n"
        "while time.process_time() < 4: pass\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[2])), http.server.SimpleHTTPRequestHandler)"
        ".serve_forever()\n"
    )
    with processes.start_server(
        ["-c", working], name="The busy one", ready_path="/", idle_timeout=3
    ) as server:
        assert server.running


def test_a_port_that_a_server_waits_for_is_given_to_nobody_else():
    if sys.platform != "linux":
        pytest.skip("Only Linux lets a server listen on a port that is held.")
    with held_port() as held:
        given = set()
        for _time in range(30_000):  # there are half as many
            with socket.socket() as other:
                other.bind(("127.0.0.1", 0))
                given.add(other.getsockname()[1])
        assert held not in given
        with socket.create_server(("127.0.0.1", held)):
            pass


def test_a_server_that_does_nothing_is_an_error_soon():
    before, started = children(), time.monotonic()
    with pytest.raises(RuntimeError, match="The idle one did not answer GET / within [2-9] seconds"):
        processes.start_server(
            ["-c", "import time; time.sleep(600)"], name="The idle one", ready_path="/", idle_timeout=2
        )
    assert children() <= before and time.monotonic() - started < 30


def test_an_interrupt_while_waiting_leaves_no_server(start, monkeypatch):
    def interrupt(*arguments, **named):
        raise KeyboardInterrupt

    before = children()
    monkeypatch.setattr("course_lib.processes.server.wait_until_ready", interrupt)
    with pytest.raises(KeyboardInterrupt) as raised:  # a notebook keeps the traceback, and what it refers to
        start()
    assert children() <= before
    assert raised.tb


def test_a_taken_port_is_told_before_anything_starts(start):
    before = children()
    with socket.create_server((processes.HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RuntimeError, match=f"cannot have port {port} .*choose another port, for example"):
            start(port=port)
    assert children() <= before
    assert start(port=port).port == port  # and just freed, it can be had


def test_a_flood_of_output_neither_blocks_the_server_nor_fills_memory(start):
    server = start("--write", "3000000")
    wait_until(lambda: "the end\n" in server.log())
    assert len(server.log()) == 64 * 1024


def test_addresses_and_command(start, monkeypatch):
    server = start("--status", "200")
    monkeypatch.delenv("JUPYTERHUB_SERVICE_PREFIX", raising=False)
    assert server.browser_url == server.url == f"http://127.0.0.1:{server.port}"
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    assert server.browser_url == f"/user/ada/proxy/{server.port}"
    assert server.command.startswith("python ")
    assert server.command.endswith("server.py --status 200")


def test_free_ports_can_be_opened():
    with socket.create_server((processes.HOST, processes.free_port())):
        pass


KERNEL = """
    import sys, time
    from course_lib.processes import start_server
    server = start_server(sys.argv[1:], name="server", ready_path="/")
    while "the end" not in server.log():  # it may reach us after the first answer
        time.sleep(0.02)
    print(server.pid, server.log().split("child ")[1].split()[0], flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def kernel(tmp_path, start):
    """A process like a notebook's kernel, which has started the server and says the pids."""
    command = [sys.executable, "-c", textwrap.dedent(KERNEL), str(tmp_path / "server.py"), "--child"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as kernel:
        pids = [int(pid) for pid in kernel.stdout.readline().split()]
        assert len(pids) == 2 and not any(map(gone, pids))
        yield kernel, pids
        kernel.kill()
    for pid in filter(psutil.pid_exists, pids):
        psutil.Process(pid).kill()


def test_the_server_ends_when_its_parent_is_killed(kernel):
    process, pids = kernel
    process.kill()
    wait_until(lambda: all(map(gone, pids)), within=10)


def test_the_server_ends_when_its_parent_ends(kernel):
    process, pids = kernel
    process.stdin.close()
    process.wait(20)
    assert all(map(gone, pids))


def test_without_a_lifeline_a_server_lives_on_its_own(monkeypatch):
    monkeypatch.delenv("COURSE_LIFELINE", raising=False)
    monkeypatch.setattr(lifeline.threading, "Thread", None)  # to start one would be an error
    processes.exit_with_parent()
