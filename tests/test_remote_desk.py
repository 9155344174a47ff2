"""A hospital and two researchers as processes: what runs, what does not, and what leaves."""

import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from course_lib.remote.budget import BudgetRecord
from course_lib.remote.parties import MachineError
from course_lib.remote.research import exchange, fetch, submit, try_on_mock
from course_lib.remote.runner import MAX_RESULT_BYTES
from course_lib.remote.submission import read_submission
from remote_house import (
    ADA,
    COUNT,
    EVE,
    HOSPITAL,
    MOCK,
    TABLE,
    approve,
    approve_and_run,
    house,
    log_of,
    processes_below,
    require_landlock,
    run_approved,
    writes,
)


@pytest.fixture(scope="module")
def parties():
    with house(ADA, EVE) as (drive, hospital, ada, eve):
        yield drive, hospital, ada, eve


NUMBERS = itertools.count()


@pytest.fixture
def job(parties):
    """Hand in, approve and run: `job(code, seconds=...)` returns the hospital's outcome and Ada's result."""
    _drive, hospital, ada, _eve = parties
    name = f"job {next(NUMBERS)}"

    def run(code, **terms):
        ada.run(submit, HOSPITAL, name, code)
        outcome = hospital.run(approve_and_run, name, terms)
        return outcome, ada.run(fetch, name)

    run.name = name
    return run


def test_the_same_code_runs_on_the_mock_and_on_the_private_file(parties, job):
    _drive, _hospital, ada, _eve = parties
    code = COUNT.replace("len(lines) - 1", "lines[1]")
    assert ada.run(try_on_mock, HOSPITAL, code) == {"rows": MOCK.splitlines()[1]}
    outcome, fetched = job(code)
    assert outcome == "done"
    assert fetched == {"status": "done", "reason": None, "result": {"rows": TABLE.splitlines()[1]}}


def test_a_job_that_fails_on_the_mock_says_why_there(parties):
    _drive, _hospital, ada, _eve = parties
    with pytest.raises(MachineError, match="(?s)left no result on the mock. It said: .*ZeroDivisionError"):
        ada.run(try_on_mock, HOSPITAL, "1 / 0")


def test_what_a_failing_job_prints_stays_with_the_owner(parties, job):
    _drive, hospital, ada, _eve = parties
    outcome, fetched = job("import sys\nprint('patient 483920')\nraise ValueError('aged 71')")
    assert outcome == f"Job {job.name} failed."
    assert fetched == {"status": "failed", "reason": None, "result": None}
    log = hospital.run(log_of, job.name)
    assert "patient 483920" in log and "aged 71" in log
    assert ada.run(what_came_back, job.name) == {"returncode.txt": "1"}


def what_came_back(here, name):
    (review,) = here.client.syftbox_folder.rglob(f"review/**/{name}")
    files = [path for path in review.rglob("*") if path.is_file() and path.name != "state.yaml"]
    return {path.name: path.read_text() for path in files}


def test_an_exit_code_carries_one_bit(parties, job):
    _drive, _hospital, ada, _eve = parties
    job("import sys; sys.exit(71)")
    assert ada.run(what_came_back, job.name) == {"returncode.txt": "1"}


def test_a_job_that_never_ends_is_stopped_with_its_children(parties, job):
    _drive, hospital, _ada, _eve = parties
    code = "import os, time\nif os.fork() == 0:\n    os.setsid()\nprint('x', end='', flush=True)\n"
    code += "time.sleep(1000)"
    outcome, fetched = job(code, seconds=1)
    assert outcome == f"Job {job.name} was stopped after 1 seconds." and fetched["status"] == "failed"
    assert hospital.run(processes_below) == 0


def test_a_child_left_behind_does_not_hold_up_the_desk(parties, job):
    _drive, hospital, _ada, _eve = parties
    code = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(1000)\n" + writes(
        {"rows": 3}
    )
    assert job(code, seconds=30)[0] == "done"
    assert hospital.run(processes_below) == 0


@pytest.mark.parametrize(
    "code",
    [
        "print(open('/etc/passwd').read())",
        "print(open('../../admissions.csv').read())",
        "import os; os.symlink('../../admissions.csv', 'mine'); print(open('mine').read())",
        "open('../../left_behind', 'w')",
        "import os, glob; os.remove(glob.glob('../syftbox/*/private/syft_datasets/admissions/*.csv')[0])",
    ],
)
def test_a_job_cannot_leave_its_cell(parties, job, code):
    require_landlock()
    _drive, hospital, _ada, _eve = parties
    outcome, fetched = job(code)
    assert outcome == f"Job {job.name} failed." and fetched["result"] is None
    assert "PermissionError" in hospital.run(log_of, job.name)
    assert "left_behind" not in hospital.run(own_files)


def own_files(here):
    return [path.name for path in (here.folder / "own").iterdir()]


def test_a_job_gets_an_environment_of_its_own(monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_HOSPITAL", "1234")
    with house(ADA) as (_drive, hospital, ada):
        ada.run(submit, HOSPITAL, "environment", LOOKS_AROUND)
        assert hospital.run(approve_and_run, "environment", {}) == "done"
        seen = ada.run(fetch, "environment")["result"]
    assert "SECRET_OF_THE_HOSPITAL" not in seen and "SYFTBOX_FOLDER" in seen
    assert not any("TOKEN" in name or "COURSE" in name for name in seen)


LOOKS_AROUND = "import json, os; json.dump(sorted(os.environ), open('outputs/result.json', 'w'))"


def test_a_cell_is_gone_after_the_job(parties, job):
    _drive, hospital, _ada, _eve = parties
    job(COUNT)
    assert not [name for name in hospital.run(own_files) if name.startswith("tmp")]


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import os; os.symlink('/etc/hostname', 'outputs/result.json')", "should be a plain file"),
        ("import os; os.mkdir('outputs/result.json')", "should be a plain file"),
        ("import os; os.mkfifo('outputs/result.json')", "should be a plain file"),
        (writes("x" * MAX_RESULT_BYTES), "of at most 16000 bytes"),
        ("pass", "should write outputs/result.json and nothing else"),
        (writes(1) + "; open('outputs/more', 'w')", "should write outputs/result.json and nothing else"),
        ("import os; os.rmdir('outputs')", "should write outputs/result.json"),
        (
            "import os; os.rmdir('outputs'); os.symlink('other', 'outputs'); os.mkdir('other')\n" + writes(1),
            "should write outputs/result.json",
        ),
        ("open('outputs/result.json', 'w').write('no JSON')", "is not JSON"),
        ("open('outputs/result.json', 'wb').write(b'\\xff\\x00')", "is not JSON"),
    ],
)
def test_one_small_json_file_leaves_and_nothing_else(job, code, sentence):
    outcome, fetched = job(code)
    assert sentence in outcome and fetched == {"status": "failed", "reason": None, "result": None}


def test_code_that_was_exchanged_after_the_approval_does_not_run(parties):
    _drive, hospital, ada, _eve = parties
    ada.run(submit, HOSPITAL, "exchanged", COUNT)
    hospital.run(approve, "exchanged", {})
    ada.run(exchange, "exchanged", writes("something else"))
    outcome = hospital.run(run_approved)
    assert outcome == {
        "exchanged": "Job exchanged is not what was approved: it was changed after the review."
    }
    assert ada.run(fetch, "exchanged")["result"] is None


def test_an_approval_outside_the_desk_runs_nothing(parties):
    _drive, hospital, ada, _eve = parties
    ada.run(submit, HOSPITAL, "past the desk", COUNT)
    assert hospital.run(approve_past_the_desk, "past the desk") == {
        "past the desk": "Job past the desk was not approved at this desk."
    }


def approve_past_the_desk(here, name):
    here.client.jobs[name].approve()
    return here.desk.run()


def test_an_approval_is_for_one_run(parties, job):
    _drive, hospital, _ada, _eve = parties
    assert job(COUNT)[0] == "done"
    assert hospital.run(run_again, job.name) == f"Job {job.name} was not approved at this desk."


def run_again(here, name):
    here.client.jobs[name].rerun()
    return here.desk.run()[name]


def test_a_rejected_job_never_runs_and_the_reason_arrives(parties):
    _drive, hospital, ada, _eve = parties
    ada.run(submit, HOSPITAL, "rejected", COUNT)
    hospital.run(reject, "rejected", "Too many columns.")
    assert hospital.run(run_approved) == {}
    assert ada.run(fetch, "rejected") == {"status": "rejected", "reason": "Too many columns.", "result": None}
    with pytest.raises(MachineError, match="not in pending status"):
        hospital.run(approve, "rejected", {})


def reject(here, name, reason):
    here.desk.reject(here.desk.read(name), reason)


def test_a_submitter_cannot_approve_by_climbing_out_of_the_inbox(parties):
    _drive, hospital, ada, _eve = parties
    ada.run(submit, HOSPITAL, "climbing", COUNT)
    hospital.run(run_approved)
    ada.run(fetch, "climbing")
    ada.run(approve_own_job, "climbing", HOSPITAL, ADA)
    assert hospital.run(run_approved) == {}
    assert ada.run(fetch, "climbing")["result"] is None


def approve_own_job(here, name, owner, me):
    from pathlib import Path

    (state,) = here.client.syftbox_folder.rglob(f"review/**/{name}/state.yaml")
    state.write_text(state.read_text().replace("pending", "approved"))
    review = state.relative_to(here.client.syftbox_folder)
    climbing = Path(owner, "app_data/job/inbox", me, "../../review", *review.parts[4:])
    for path in (climbing, review):
        here.client.sync_engine.datasite_watcher_syncer.on_file_change(path, process_now=True)


def test_eve_has_no_dataset_and_cannot_read_adas_answer(parties, job):
    drive, _hospital, ada, eve = parties
    assert job(COUNT)[1]["result"] == {"rows": 3}
    assert ada.run(datasets_and_jobs)[0] == ["admissions"] and job.name in ada.run(datasets_and_jobs)[1]
    assert eve.run(datasets_and_jobs)[0] == [] and job.name not in eve.run(datasets_and_jobs)[1]
    with pytest.raises(MachineError, match="404|notFound|no such file"):
        eve.run(
            ask_the_drive_for, [file["id"] for file in drive.everything() if file["name"] == "mock.csv"][0]
        )


def datasets_and_jobs(here):
    return [dataset.name for dataset in here.client.datasets], [job.name for job in here.client.jobs]


def ask_the_drive_for(here, file_id):
    connection = here.client.peer_manager.connection_router.connections[0]
    return connection.drive_service.files().get(fileId=file_id).execute()


def test_two_researchers_may_choose_the_same_name(parties):
    _drive, hospital, ada, eve = parties
    ada.run(submit, HOSPITAL, "same", writes("for Ada"))
    eve.run(submit, HOSPITAL, "same", writes("for Eve"))
    with pytest.raises(MachineError, match="One job named same was expected, but there are 2"):
        hospital.run(approve, "same", {})
    assert hospital.run(approve_both_and_run, "same", [ADA, EVE]) == ["done"]
    assert ada.run(fetch, "same")["result"] == "for Ada" and eve.run(fetch, "same")["result"] == "for Eve"


def approve_both_and_run(here, name, researchers):
    for researcher in researchers:
        here.desk.approve(here.desk.read(name, researcher=researcher), datasets=[])
    return list(here.desk.run().values())


def test_a_job_gets_the_datasets_it_was_approved_for_and_no_other(parties):
    _drive, hospital, ada, _eve = parties
    ada.run(submit, HOSPITAL, "no dataset", COUNT)
    assert hospital.run(approve_without_dataset, "no dataset") == "Job no dataset failed."
    assert "not found" in hospital.run(log_of, "no dataset")


def approve_without_dataset(here, name):
    here.desk.approve(here.desk.read(name), datasets=[])
    return here.desk.run()[name]


@pytest.mark.parametrize("name", ["many", "large"])
def test_what_nobody_can_review_is_refused(parties, name):
    _drive, hospital, ada, _eve = parties
    sentence = {"many": "at most 50 files", "large": "of 1000000 bytes"}[name]
    ada.run(hand_in_a_folder, HOSPITAL, name)
    with pytest.raises(MachineError, match=sentence):
        hospital.run(approve, name, {})


def hand_in_a_folder(here, owner, name):
    folder = here.folder / name
    folder.mkdir()
    (folder / "main.py").write_text("pass")
    for number in range(60 if name == "many" else 0):
        (folder / f"{number}.py").write_text("")
    if name == "large":
        (folder / "large.py").write_text("#" * 1_000_001)
    here.client.submit_python_job(owner, str(folder), job_name=name, entrypoint="main.py")


def test_a_link_and_what_is_not_text_are_refused(tmp_path):
    job = SimpleNamespace(
        job_submission_path=tmp_path,
        name="job",
        submitted_by=ADA,
        job_metadata=SimpleNamespace(entrypoint="job.py"),
    )
    (tmp_path / "job.py").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="job.py is not text"):
        read_submission(job)
    (tmp_path / "job.py").unlink()
    (tmp_path / "job.py").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="job.py is a link"):
        read_submission(job)


def test_a_bash_job_has_no_python_file_to_start_with(parties):
    _drive, hospital, ada, _eve = parties
    ada.run(submit_bash, HOSPITAL)
    with pytest.raises(MachineError, match="Job bash has no Python file to start with"):
        hospital.run(approve, "bash", {})


def submit_bash(here, owner):
    here.client.submit_bash_job(owner, "echo", job_name="bash")


@pytest.mark.parametrize("seconds", [0, -1, 61, float("inf")])
def test_a_time_limit_that_is_none_is_refused(parties, seconds):
    _drive, hospital, ada, _eve = parties
    name = f"seconds {seconds}"
    ada.run(submit, HOSPITAL, name, COUNT)
    with pytest.raises(MachineError, match="A time limit above 0 and up to 60 seconds"):
        hospital.run(approve, name, {"seconds": seconds})


def test_a_budget_is_spent_before_the_job_and_refuses_what_is_too_much(tmp_path):
    with house(ADA) as (_drive, hospital, ada):
        record = hospital.run(open_budget)
        for name, code in {"first": COUNT, "fails": "1 / 0", "third": COUNT}.items():
            ada.run(submit, HOSPITAL, name, code)
        with pytest.raises(MachineError, match="An epsilon was expected"):
            hospital.run(approve_and_run, "first", {})
        assert hospital.run(approve_and_run, "first", {"epsilon": 0.5, "delta": 1e-7}) == "done"
        assert hospital.run(approve_and_run, "fails", {"epsilon": 0.4}) == "Job fails failed."
        assert BudgetRecord(record).left(ADA) == (0.1, 9e-7)
        outcome = hospital.run(approve_and_run, "third", {"epsilon": 0.2})
        assert outcome == f"{ADA} would need an epsilon of 0.2 and a delta of 0, but 0.1 and 9e-07 are left."
        assert ada.run(fetch, "third") == {"status": "failed", "reason": None, "result": None}
        lines = [json.loads(line)["purpose"] for line in Path(record).read_text().splitlines()[1:]]
        assert lines == ["first", "fails"]


def open_budget(here):
    here.desk.open_budget(epsilon=1.0, delta=1e-6)
    return str(here.folder / "own" / "budget.jsonl")


@pytest.mark.parametrize("encryption", [True, False])
def test_the_store_reads_code_and_result_only_without_encryption(encryption):
    from course_lib.remote import traces

    with house(ADA, encryption=encryption) as (drive, hospital, ada):
        ada.run(submit, HOSPITAL, "answer", writes({"answer": 314159265}) + "  # wonderful code")
        hospital.run(approve_and_run, "answer", {})
        assert ada.run(fetch, "answer")["result"] == {"answer": 314159265}
        texts = {"row": TABLE.splitlines()[1], "mock": MOCK.splitlines()[1], "code": "# wonderful code"}
        texts["result"] = '"answer": 314159265'
        found = traces.which_are_in(traces.contents_of_store(drive.everything()), texts)
        readable = not encryption
        assert found == {"row": False, "mock": True, "code": readable, "result": readable}
        assert hospital.run(traces.look_for, texts) == dict.fromkeys(texts, True)
        assert ada.run(traces.look_for, texts) == dict.fromkeys(texts, True) | {"row": False}
