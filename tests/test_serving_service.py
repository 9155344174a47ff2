"""The service as a process: why it can't start, what it survives, and that its stop loses no request."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import httpx
import psutil
import pytest

import serving_parts
from course_lib.processes import HOST, start_server
from course_lib.serving.deployment import serve
from serving_parts import PATIENCE, WINES, X_TEST, fitted, wait_until

registry = serving_parts.registry
QUESTION = json.dumps({"wines": WINES.head(1).to_dict("records")})
JSON = {"Content-Type": "application/json"}


def start_in_terminal(*words: str, **environment: str) -> subprocess.CompletedProcess:
    """A service that has ended by itself."""
    # MLflow puts the server that another test has named into this process's environment.
    surroundings = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return subprocess.run(
        [sys.executable, "-m", "course_lib.serving.service", *words],
        cwd=Path(__file__).parents[1],
        env=surroundings | {"COURSE_LANG": "en", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def test_a_taken_port_is_told_in_one_sentence():
    with socket.create_server((HOST, 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = start_in_terminal("--tracking-uri", "sqlite://", "--port", port)
    assert ended.returncode == 2 and "Traceback" not in ended.stderr
    error = ended.stderr.splitlines()[-1]
    assert f"error: wine quality cannot have port {port} " in error and error.endswith(".")


def test_a_missing_tracking_uri_is_told():
    ended = start_in_terminal("--port", "1")
    assert ended.returncode == 2 and "a tracking URI was expected" in ended.stderr


def test_a_missing_champion_is_told_and_nothing_stays(registry):
    registry.client.delete_registered_model_alias("wine", "champion")
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with pytest.raises(RuntimeError, match=r'^The registry has no model "wine" with the alias "champion"\.$'):
        serve(tracking_uri=registry.uri)
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before


def test_a_service_from_start_to_stop_whose_tracking_server_goes_away(registry):
    """One long story, since a start takes seconds: a champion, the next, a slow caller, no server, a stop."""
    with (
        tracking_server(registry) as tracking,
        serve(tracking_uri=tracking.url, refresh_seconds=1) as service,
    ):
        answer = service.predict(X_TEST)
        assert answer.version == 1
        assert answer.values == pytest.approx(fitted().predict(X_TEST), rel=1e-9)
        with pytest.raises(ValueError, match='Wine 1 has "quality"'):
            service.predict([WINES.iloc[0].to_dict() | {"quality": 5}])
        registry.client.set_registered_model_alias("wine", "champion", "2")
        wait_until(lambda: service.predict(X_TEST).version == 2, "the next champion")
        registry.client.set_registered_model_alias("wine", "champion", "1")
        assert service.reload() == 1  # rolled back at once

        with socket.create_connection((HOST, service.process.port)) as slow:
            slow.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
            assert service.predict(X_TEST.head(1)).version == 1

        tracking.stop()
        wait_until(lambda: service.metrics()["wine_refresh_failures_total"] >= 1, "a failed refresh")
        assert service.ready() and service.predict(X_TEST).version == 1
        with pytest.raises(RuntimeError, match="The model registry at .* can't be used"):
            service.reload()
    assert not service.process.running
    log = [json.loads(line) for line in service.process.log().splitlines()]
    assert {"request", "refresh failed", "model loaded", "stopping"} <= {line["event"] for line in log}
    with pytest.raises(RuntimeError, match="it was stopped, or has died"):
        service.predict(X_TEST)


def test_the_newest_line_about_a_request_is_waited_for(registry, monkeypatch):
    with serve(tracking_uri=registry.uri) as service:
        for rows in (1, 2):  # the second comes so soon that its line waits for others
            service.predict(X_TEST.head(rows))
        wait_until(lambda: json.loads(service.log_line("request"))["rows"] == 2, "the second request's line")
        monkeypatch.setattr("course_lib.serving.deployment.SECONDS_TO_LOG", 0.1)
        with pytest.raises(RuntimeError, match='wrote no line about "rain" within 0.1 seconds'):
            service.log_line("rain")


def test_an_address_stands_on_no_command_line(registry):
    """It may hold a password, and not only before an "@"."""
    with serve(tracking_uri=f"{registry.uri}?timeout=4321") as service:
        process = psutil.Process(service.process.pid)
        assert process.environ()["MLFLOW_TRACKING_URI"].endswith("?timeout=4321")
        lines = [" ".join(each.cmdline()) for each in (process, *process.children(recursive=True))]
        for text in (*lines, service.process.command, service.process.log(), repr(service)):
            assert "4321" not in text and registry.uri not in text


def tracking_server(registry):
    """MLflow's server in front of the registry."""
    words = ["server", "--host", HOST, "--workers", "1", "--backend-store-uri", registry.uri]
    return start_server(
        ["-m", "course_lib.serving.mlflow_command", *words],
        name="tracking",
        ready_path="/health",
        timeout=180,
        env={"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
    )


class Caller(threading.Thread):
    """One who asks without a pause, on a connection kept or on a new one each time, until nobody listens."""

    def __init__(self, port: int, *, keep: bool):
        super().__init__(daemon=True)
        self.answered, self.lost, self.refused = 0, [], False
        self._port, self._keep = port, keep

    def run(self) -> None:
        connection = None
        while not self.refused:
            if connection is None or not self._keep:
                try:
                    connection = http.client.HTTPConnection(HOST, self._port, timeout=PATIENCE)
                    connection.connect()
                except ConnectionRefusedError:  # nobody listens any more: nothing has been asked
                    self.refused = True
                    return
            try:
                connection.request("POST", "/predict", QUESTION, JSON)
                answer = connection.getresponse()
                answer.read()
                self.answered += answer.status == 200
                if answer.status != 200:
                    self.lost.append(answer.status)
                if answer.will_close or not self._keep:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(error)
                connection = None


def stop_under_load(service) -> None:
    """Send SIGTERM while ten callers ask without a pause; fail where one of them gets no answer."""
    callers = [Caller(service.process.port, keep=number < 6) for number in range(10)]
    for caller in callers:
        caller.start()
    wait_until(lambda: all(caller.answered > 20 for caller in callers), "load")
    psutil.Process(service.process.pid).send_signal(signal.SIGTERM)
    for caller in callers:
        caller.join(PATIENCE)
    wait_until(lambda: not service.process.running, "the service's end")
    assert [caller.lost for caller in callers] == [[]] * len(callers)
    assert all(caller.refused for caller in callers)


def test_sigterm_under_load_loses_no_request_nor_half_of_one(registry):
    with (
        serve(tracking_uri=registry.uri) as service,
        socket.create_connection((HOST, service.process.port)) as line,
    ):
        head = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(QUESTION)}\r\n\r\n"
        line.sendall(head.encode() + QUESTION[:50].encode())
        finish = threading.Thread(target=finish_when_it_stops, args=(service, line), daemon=True)
        finish.start()
        stop_under_load(service)
        finish.join(PATIENCE)
        line.settimeout(PATIENCE)
        answer = b"".join(iter(lambda: line.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200") and b'"predictions"' in answer


def finish_when_it_stops(service, line: socket.socket) -> None:
    wait_until(lambda: '"stopping"' in service.process.log(), "its warning")
    line.sendall(QUESTION[50:].encode())


def test_workers_count_together_are_replaced_and_leave_nothing(registry, tmp_path, monkeypatch):
    shared = tmp_path / "temporary"
    shared.mkdir()
    monkeypatch.setenv("TMPDIR", str(shared))
    with serve(tracking_uri=registry.uri, workers=2) as service:
        supervisor = psutil.Process(service.process.pid)
        answers = SimpleNamespace(sent=0)

        def ask_all_workers() -> bool:
            """Ask on new connections until each worker has had some: each has a window of its own."""
            for _request in range(20):
                httpx.post(f"{service.process.url}/predict", content=QUESTION, headers=JSON, trust_env=False)
                answers.sent += 1
            return service.metrics()["wine_memory_bytes"] > 1.5 * own_memory(supervisor)

        def own_memory(process) -> int:
            return max(child.memory_info().rss for child in process.children())

        wait_until(ask_all_workers, "both workers' start")
        metrics = service.metrics()
        assert metrics["wine_requests_total"]["200"] == metrics["wine_rows_total"] == answers.sent
        assert list(shared.glob("course-metrics-*"))

        victim = max(supervisor.children(), key=lambda child: child.memory_info().rss)
        victim.kill()
        wait_until(lambda: '"worker died"' in service.process.log(), "the death's notice")
        wait_until(ask_all_workers, "its successor's start")
        assert service.metrics()["wine_rows_total"] == answers.sent  # what the dead one counted stays
        family = [supervisor, *supervisor.children(recursive=True)]
        stop_under_load(service)
    assert not any(member.is_running() for member in family)
    assert list(shared.glob("course-metrics-*")) == []


def test_nothing_runs_on_of_workers_whose_supervisor_is_killed(registry, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # who is killed can't remove its folder
    with serve(tracking_uri=registry.uri, workers=2) as service:
        supervisor = psutil.Process(service.process.pid)
        wait_until(
            lambda: len(supervisor.children()) >= 3, "both workers"
        )  # and multiprocessing's own helper
        family = supervisor.children(recursive=True)
        supervisor.kill()
        wait_until(lambda: not any(member.is_running() for member in family), "the workers' end")
    shutil.rmtree(tmp_path, ignore_errors=True)
