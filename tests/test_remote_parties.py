"""The parties as processes: their start, their end in every way, and that nothing is left of them."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest

from course_lib.remote.parties import MachineError, open_drive, start_machine
from course_lib.remote.research import submit
from process_parts import gone
from remote_house import ADA, COUNT, HOSPITAL, approve, house


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder for temporary files of this process and all it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@pytest.fixture(scope="module")
def drive():
    drive = open_drive([ADA])
    yield drive
    drive.stop()


@pytest.fixture(scope="module")
def machine(drive):
    with start_machine(ADA, owner=False, drive=drive) as machine:
        yield machine


def wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def add(here, one, other=0):
    return one + other


def test_a_function_runs_over_there_and_comes_back(machine):
    assert machine.run(add, 1, other=2) == 3
    assert machine.run(process_and_folder)[0] == machine.pid != os.getpid()


def process_and_folder(here):
    import os

    return os.getpid(), str(here.folder)


def test_it_knows_nothing_of_the_one_who_sent_it(machine):
    with pytest.raises(MachineError, match="NameError"):
        machine.run(uses_a_name_of_this_module)


def uses_a_name_of_this_module(here):
    return ADA


def test_an_error_comes_back_without_traceback_and_the_machine_goes_on(machine):
    with pytest.raises(MachineError) as raised:
        machine.run(fails)
    assert str(raised.value) == "ValueError: so it is"
    assert raised.value.__cause__ is None
    with pytest.raises(MachineError, match="TypeError"):
        machine.run(returns_a_function)
    assert machine.run(add, 1) == 1


def fails(here):
    secret = "483920"  # noqa: F841
    raise ValueError("so it is")


def returns_a_function(here):
    return print


def test_what_json_cannot_say_is_not_sent(machine):
    with pytest.raises(TypeError, match="not JSON serializable"):
        machine.run(add, {1, 2})
    assert machine.run(add, 1) == 1


def test_what_is_printed_over_there_goes_to_its_log(machine):
    machine.run(speaks)
    assert "what PySyft says" in machine.log()
    assert machine.run(add, 1) == 1


def speaks(here):
    import os

    print("what PySyft says")
    os.system("echo what a child says")


def test_a_machine_that_does_not_answer_in_time_is_stopped(drive, temporary):
    machine = start_machine(ADA, owner=False, drive=drive)
    with pytest.raises(MachineError, match=f"The machine of {ADA} did not answer in time and was stopped."):
        machine.run(sleeps, timeout=0.5)
    assert not machine.running
    with pytest.raises(MachineError, match=f"The machine of {ADA} has ended."):
        machine.run(add, 1)
    assert list(temporary.iterdir()) == []


def sleeps(here):
    import time

    time.sleep(100)


def test_a_machine_that_dies_is_told(drive, temporary):
    machine = start_machine(ADA, owner=False, drive=drive)
    with pytest.raises(MachineError, match=f"The machine of {ADA} has ended."):
        machine.run(dies)
    assert not machine.running
    assert list(temporary.iterdir()) == []


def dies(here):
    import os

    os._exit(3)


def test_nothing_is_left_after_the_end(temporary):
    with house(ADA) as (drive, hospital, ada):
        ada.run(add, 1)
        pids = [drive.process.pid, hospital.pid, ada.pid]
        assert len(list(temporary.iterdir())) >= 4  # two folders, two logs
    assert list(temporary.iterdir()) == []
    wait_for(lambda: all(map(gone, pids)))
    hospital.stop()  # harmless
    assert repr(ada) == f"{ADA} (stopped)"


def test_a_machine_that_cannot_start_is_said_and_leaves_nothing(temporary):
    drive = open_drive([ADA])
    drive.stop()
    with pytest.raises(MachineError, match="ConnectError"):
        start_machine(ADA, owner=False, drive=drive)
    assert list(temporary.iterdir()) == []


def test_tokens_are_not_shown():
    drive = open_drive([ADA])
    try:
        assert drive.tokens[ADA] not in repr(drive)
        command = psutil.Process(drive.process.pid).cmdline()
        assert not any(token in " ".join(command) for token in drive.tokens.values())
    finally:
        drive.stop()


OWNER_THAT_IS_KILLED = """
import sys, threading
sys.path.insert(0, {tests!r})
from remote_house import *
from course_lib.remote.research import submit
with house(ADA) as (drive, hospital, ada):
    ada.run(submit, HOSPITAL, "endless", "import os, time\\nos.fork()\\ntime.sleep(1000)")
    hospital.run(approve, "endless", {{"seconds": 50}})
    print(drive.process.pid, hospital.pid, ada.pid, flush=True)
    hospital.run(run_approved)
"""


def test_everything_ends_when_the_kernel_is_killed(temporary):
    code = OWNER_THAT_IS_KILLED.format(tests=str(Path(__file__).parent))
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with owner:
        pids = list(map(int, owner.stdout.readline().split()))
        hospital = psutil.Process(pids[1])
        wait_for(lambda: len(hospital.children(recursive=True)) == 3)  # the supervisor, the job, its child
        pids += [child.pid for child in hospital.children(recursive=True)]
        owner.send_signal(signal.SIGKILL)
    wait_for(lambda: all(map(gone, pids)))
    folders = [path.name for path in temporary.iterdir() if path.is_dir()]
    assert folders == []


def test_the_hospital_can_be_stopped_while_a_job_runs(temporary):
    with house(ADA) as (_drive, hospital, ada):
        ada.run(submit, HOSPITAL, "endless", "import time; time.sleep(1000)")
        ada.run(submit, HOSPITAL, "counts", COUNT)
        hospital.run(approve, "endless", {"seconds": 50})
        outcomes = []
        running = threading.Thread(target=lambda: outcomes.append(hospital.run(run_jobs)))
        running.start()
        process = psutil.Process(hospital.pid)
        wait_for(lambda: len(process.children(recursive=True)) == 2)
        jobs = [child.pid for child in process.children(recursive=True)]
        start = time.monotonic()
        hospital.stop()
        running.join(20)
        assert not running.is_alive() and time.monotonic() - start < 15
        assert outcomes == [{"endless": "Job endless was stopped after 50 seconds."}]
        wait_for(lambda: all(map(gone, jobs)))


def run_jobs(here):
    return here.desk.run()
