"""The service's start and end: why it can't start, what it still answers, and that nothing is left of it."""

import array
import concurrent.futures
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

from course_lib.he.deployment import deploy
from course_lib.processes import HOST
from he_callers import COEFFS, INTERCEPT, PATIENCE, Caller, children_of, one_sentence, wait_until
from process_parts import alive


def test_a_model_that_is_none_is_refused_before_a_process_starts():
    with pytest.raises(ValueError, match="An intercept for each"):
        deploy(COEFFS, INTERCEPT[:3])


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--model", "missing.npz", "The model file missing.npz is missing."),
        ("--model", "pickled.npz", "with the arrays"),
        ("--model", "empty.npz", "with the arrays"),
        ("--key-store", "memory://keys", "in one process's memory"),
        ("--key-store", "nonsense://keys", "can't be used (ValueError)"),
        ("--key-store", "pickled.npz", "can't be used (NotADirectoryError)"),
    ],
)
def test_a_service_that_can_not_start_says_why_in_one_sentence(tmp_path, option, value, sentence):
    np.savez(tmp_path / "model.npz", coeffs=COEFFS, intercept=INTERCEPT)
    np.savez(tmp_path / "pickled.npz", coeffs=np.array([{}], dtype=object), intercept=INTERCEPT)
    (tmp_path / "empty.npz").touch()
    ended = start_in(
        tmp_path, {"--model": "model.npz", "--key-store": "keys", "--port": "1"} | {option: value}
    )
    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr


def start_in(folder: Path, options: dict[str, str]) -> subprocess.CompletedProcess:
    """A service that was started in a terminal and has ended by itself."""
    return subprocess.run(
        [sys.executable, "-m", "course_lib.he.service", *(word for pair in options.items() for word in pair)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "COURSE_LANG": "en"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_taken_port_is_told_in_one_sentence(tmp_path):
    np.savez(tmp_path / "model.npz", coeffs=COEFFS, intercept=INTERCEPT)
    with socket.create_server((HOST, 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = start_in(tmp_path, {"--model": "model.npz", "--key-store": "keys", "--port": port})
    assert ended.returncode == 2
    error = ended.stderr.splitlines()[-1]
    assert f"error: encrypted inference cannot have port {port} " in error and error.endswith(".")
    assert "Traceback" not in ended.stderr


def test_nothing_is_left_of_a_service_that_is_killed():
    with deploy(COEFFS, INTERCEPT) as service:
        family = [psutil.Process(service.process.pid), *children_of(service)]
        assert len(family) >= 2
        family[0].kill()
        wait_until(lambda: not any(alive(process) for process in family), "the workers' end")
        with pytest.raises(RuntimeError, match="does not answer"):
            service.run("{}")


PARENT = """
import sys
import psutil
from course_lib.he.deployment import deploy

with deploy([[1.0, 2.0]], [0.5]) as service:
    server = psutil.Process(service.process.pid)
    print(server.pid, *(worker.pid for worker in server.children()), flush=True)
    sys.stdin.read()
"""


def test_nothing_runs_on_of_a_service_whose_parent_is_killed(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(tmp_path)},  # who is killed can't remove its folder
    ) as parent:
        family = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        try:
            assert len(family) >= 2 and all(alive(process) for process in family)
            parent.kill()
            wait_until(lambda: not any(alive(process) for process in family), "the end of the orphans")
        finally:
            for process in filter(alive, family):
                process.kill()


def test_nothing_is_left_of_a_service_that_is_deleted():
    service = deploy(COEFFS, INTERCEPT)
    family = [psutil.Process(service.process.pid), *children_of(service)]
    folder = Path(service.key_store).parent
    assert folder.exists()
    service.delete()
    service.delete()
    assert not any(alive(process) for process in family)
    assert not folder.exists()
    with pytest.raises(RuntimeError, match="does not answer"):
        service.run("{}")


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux says what waits in another process's pipe.")
@pytest.mark.parametrize("whom", ["kill", "killpg"])  # the service alone, or its workers too, as `stop` does
def test_what_was_asked_before_the_end_is_answered(whom):
    with deploy(COEFFS, INTERCEPT) as service:
        caller = Caller()
        service.upload_keys(caller.key_id, caller.public_keys)
        workers = children_of(service)
        for worker in workers:
            worker.suspend()
        with concurrent.futures.ThreadPoolExecutor(1) as threads:
            answer = threads.submit(service.run, caller.request())
            # Suspended workers keep the request until they go on; it has arrived when it is in a pipe.
            wait_until(lambda: unread_bytes(workers) > 10_000, "the request's arrival")
            getattr(os, whom)(service.process.pid, signal.SIGTERM)
            for worker in workers:
                worker.resume()
            assert caller.accepts(answer.result(PATIENCE))
        wait_until(lambda: not any(alive(process) for process in workers), "the service's end")
    assert "a worker ended" not in service.process.log()  # a second one might have answered in its place


def unread_bytes(workers: list[psutil.Process]) -> int:
    """How many bytes wait in the workers' standard inputs."""
    import fcntl  # there is none on Windows
    import termios

    total = 0
    for worker in workers:
        with open(f"/proc/{worker.pid}/fd/0", "rb") as pipe:
            count = array.array("i", [0])
            fcntl.ioctl(pipe, termios.FIONREAD, count)
            total += count[0]
    return total


def test_a_key_store_that_vanishes(tmp_path):
    folder = tmp_path / "keys"
    caller = Caller()
    with deploy(COEFFS, INTERCEPT, key_store=folder) as service:
        service.upload_keys(caller.key_id, caller.public_keys)
        assert caller.accepts(service.run(caller.request()))
        shutil.rmtree(folder)
        with pytest.raises(ValueError, match="No public keys are stored"):
            service.run(caller.request())
        folder.write_text("a file where the folder was")
        answer = httpx.post(service.scoring_uri, content=caller.request(), trust_env=False, timeout=PATIENCE)
        assert answer.status_code == 503
        assert "key store can't be used" in one_sentence(answer)
        with pytest.raises(RuntimeError, match="key store can't be used"):
            service.upload_keys(caller.key_id, caller.public_keys)
        folder.unlink()
        service.upload_keys(caller.key_id, caller.public_keys)
        assert caller.accepts(service.run(caller.request()))
