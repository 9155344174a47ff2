"""What the prose of lesson 11_remote_data_science states: each number and each comparison."""

import ast
import contextlib
import inspect
import io
import json
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from claims.lesson_text import LessonText
from course_lib.pate.accounting.gaussian import gaussian_epsilon, gnmax_mu
from course_lib.remote import research, walls
from course_lib.remote.admissions import make_admissions, make_mock
from remote_house import ADA, EVE, HOSPITAL, approve_and_run, house, log_of, require_landlock, run_approved
from tools.layout import HERE

stated = LessonText("11_remote_data_science").stated
SOURCE = ast.parse((HERE.root / "lessons" / "11_remote_data_science.py").read_text(encoding="utf-8"))
#: The texts that the lesson gives a name: the jobs.
TEXTS = {
    node.targets[0].id: node.value.value
    for node in SOURCE.body
    if isinstance(node, ast.Assign)
    and isinstance(node.value, ast.Constant)
    and isinstance(node.value.value, str)
}
FUNCTIONS = {node.name: node for node in SOURCE.body if isinstance(node, ast.FunctionDef)}


@pytest.fixture(scope="module")
def table():
    return make_admissions(6000, seed=11)


@pytest.fixture(scope="module")
def job(table, tmp_path_factory):
    """Run a job of the lesson as the hospital would, or as the researcher on the mock; its result."""
    from syft_datasets.dataset_manager import SyftDatasetManager

    base = tmp_path_factory.mktemp("hospital")
    make_mock(6000, seed=12).to_csv(base / "mock.csv", index=False)
    table.to_csv(base / "admissions.csv", index=False)
    manager = SyftDatasetManager(base / "box", HOSPITAL)
    manager.create("admissions", mock_path=base / "mock.csv", private_path=base / "admissions.csv")

    def run(code, *, private):
        place = {"SYFTBOX_FOLDER": str(base / "box"), "SYFTBOX_EMAIL": HOSPITAL}
        place["SYFT_IS_IN_JOB"] = str(private).lower()
        (base / "outputs").mkdir(exist_ok=True)
        command = [sys.executable, "-c", code]
        subprocess.run(command, cwd=base, env=os.environ | place, check=True, capture_output=True)
        return json.loads((base / "outputs" / "result.json").read_text())

    return run


def test_stays_on_the_mock_are_30_days_at_any_age_and_rise_with_age_in_the_table(job, table):
    stated("the mean stay is about 30 days, at any age")
    stated("On the mock, stays of 30 days at every age; on the private table 4 to 17 days, rising with age.")
    on_mock, private = (job(TEXTS["STAYS"], private=private) for private in (False, True))
    assert all(28 < days < 32 for kind in on_mock.values() for days in kind.values())
    for days in (list(kind.values()) for kind in private.values()):
        assert days == sorted(days)
    every = [days for kind in private.values() for days in kind.values()]
    assert round(min(every)) == 4 and round(max(every)) == 17
    stated("computes ten means over large groups")
    assert len(every) == 10
    groups = pd.cut(table["age"], [0, 40, 55, 70, 85, 100])
    assert table.groupby(["emergency", groups], observed=False).size().min() > 200


def test_there_are_6000_patients_and_as_many_mock_rows(table):
    stated("the hospital makes its table of 6,000 patients")
    stated("make_admissions(6000, seed=11)")
    stated("make_mock(6000, seed=12)")
    assert len(table) == 6000


def test_the_mean_carries_the_number_of_the_patient_who_stayed_longest(job, table):
    stated("a number that differs from the mean by less than 0.001")
    stated("in its decimals 5 to 10")
    carried = job(TEXTS["CORRECTED"], private=True)["mean days"]
    longest = table.sort_values("days")["patient"].iloc[-1]
    assert round(carried * 10**10) % 10**6 == longest
    assert abs(carried - table["days"].mean()) < 0.001
    assert f"{carried:.10f}"[-6:] == str(longest)  # decimals 5 to 10


def test_two_answers_that_keep_the_rules_give_the_neighbour_away(job, table):
    stated("two decimals, say, and no group below 20 patients")
    stated("Her neighbour stayed for nine days, and he came back.")
    stated("her neighbour, 86 years old, was brought in as an emergency, with an injury")
    with_him, without = (job(TEXTS["GROUP"].replace("AGE", age), private=True) for age in ("86", "87"))
    assert without["patients"] >= 20 and with_him["patients"] == without["patients"] + 1
    for answer in (with_him, without):
        assert all(value == round(value, 2) for value in answer.values())
    days, back = (
        round(with_him["patients"] * with_him[name] - without["patients"] * without[name])
        for name in ("mean days", "share readmitted")
    )
    men = table[(table["sex"] == "m") & (table["diagnosis"] == "injury") & (table["emergency"] == 1)]
    (neighbour,) = men[men["age"] == 86].itertuples()
    assert (days, back) == (neighbour.days, neighbour.readmitted) == (9, 1)


def test_one_row_moves_the_mean_by_14_minutes_and_the_epsilon_is_0_49(job):
    stated("at most 59 / 6,000, which is 14 minutes")
    one_row = (60 - 1) / 6000
    assert round(one_row * 24 * 60) == 14
    stated("0.02 days, 29 minutes, then gives ε = 0.49")
    assert round(0.02 * 24 * 60) == 29 and round(one_row / 0.02, 2) == 0.49
    stated("No answer is more than 1.64 times as likely")
    assert 1.63 < math.exp(one_row / 0.02) <= 1.64
    answer = job(TEXTS["PRIVATE_MEAN"], private=True)
    assert round(answer["epsilon"], 2) == 0.49
    stated("here rounded up to 0.5")
    assert answer["epsilon"] <= 0.5


def test_the_private_mean_is_off_by_0_02_days_on_average(job, table):
    stated("an answer misses the true mean by 0.02 days on average, and by more than 0.06 days in one")
    # A Laplace variable's mean size is its scale; it is beyond x with probability exp(-x / scale).
    scale = float(re.search(r"then_laplace\(scale=([0-9.]+)\)", TEXTS["PRIVATE_MEAN"])[1])
    assert scale == 0.02 and round(math.exp(0.06 / scale)) == 20
    answers = [job(TEXTS["PRIVATE_MEAN"], private=True)["mean days"] for _repeat in range(3)]
    assert len(set(answers)) == 3
    assert (
        max(abs(answer - table["days"].mean()) for answer in answers) < 20 * scale
    )  # but once in e**20 runs


def test_half_the_noise_would_have_cost_an_epsilon_of_one(job):
    stated("with half the noise, for an ε of 1")
    answer = job(TEXTS["PRIVATE_MEAN"].replace("scale=0.02", "scale=0.01"), private=True)
    assert 0.9 < answer["epsilon"] <= 1
    stated("who has spent 2.5 of her 3")
    assert 0.5 + 2 == 2.5 and 2.5 + 1 > 3


def test_the_student_costs_1_93_and_comes_close(job, table):
    stated("Noise with a standard deviation of 40 votes costs ε = 1.93 at δ = $10^{-6}$, for all 150 labels")
    assert round(gaussian_epsilon(gnmax_mu(150, sigma=40), delta=1e-6), 2) == 1.93
    stated("dealt out to 250 teachers")
    stated("The questions are 150 rows of the *mock*")
    for setting in ("teachers=250", "mock[:150]", "gaussian(40,"):
        assert setting in TEXTS["STUDENT"]
    stated('A rule that always says "no" is right for 53 % of the patients')
    long_stay = table["days"] > 7
    assert round(1 - long_stay.mean(), 2) == 0.53
    stated("a model that learns from all of them with no privacy for 77 %.")
    stated("The student comes close, with 72 % or so.")
    inputs = _inputs(table)
    assert round(LogisticRegression().fit(inputs, long_stay).score(inputs, long_stay), 2) == 0.77
    one = job(TEXTS["STUDENT"], private=True)
    assert np.mean((inputs @ one["coef"] + one["intercept"] > 0) == long_stay) > 0.6
    students = np.array(job(_a_hundred(TEXTS["STUDENT"]), private=True))
    right = (inputs @ students[:, :-1].T + students[:, -1] > 0) == long_stay.to_numpy()[:, None]
    # The noise is drawn anew each time: one student differs by 1.5 %, the mean of a hundred by 0.15 %.
    assert 0.709 < right.mean() < 0.725


def _a_hundred(recipe):
    """The lesson's job, with a hundred students in place of one, each of votes with noise of its own."""
    drawn = (
        "labels = (votes + SecureNoise().gaussian(40, votes.shape)).argmax(axis=1)\n"
        "student = LogisticRegression().fit(questions, labels)\n"
    )
    votes, found, _rest = recipe.partition(drawn)
    assert found
    return votes + (
        "students = []\n"
        "for _student in range(100):\n"
        "    labels = (votes + SecureNoise().gaussian(40, votes.shape)).argmax(axis=1)\n"
        "    student = LogisticRegression().fit(questions, labels)\n"
        "    students.append([*student.coef_[0], student.intercept_[0]])\n"
        "with open('outputs/result.json', 'w') as file:\n"
        "    json.dump(students, file)\n"
    )


def _inputs(table):
    names = {}
    recipe = TEXTS["STUDENT"][TEXTS["STUDENT"].index("def inputs") : TEXTS["STUDENT"].index("table = pd")]
    exec("import numpy as np\n" + recipe, names)
    return names["inputs"](table).astype(float)


def test_what_the_lesson_writes_out_is_what_the_library_holds():
    for name in ("submit", "fetch"):
        theirs = ast.parse(inspect.getsource(getattr(research, name))).body[0]
        assert _statements(FUNCTIONS[name]) == _statements(theirs)


def _statements(function):
    """All but docstrings, and the import that stands at the library's top."""
    kept = [statement for statement in function.body if not isinstance(statement, ast.Import)]
    docstring = ast.get_docstring(function) is not None
    return [ast.dump(statement) for statement in kept[docstring:]]


# What the lesson says of PySyft 0.10.0.


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The two clients that PySyft pairs for its own tests, with PySyft's own runner; quiet."""
    from syft_rds import SyftRDSClient

    base = tmp_path_factory.mktemp("plain")
    (base / "mock.csv").write_text("1\n")
    (base / "private.csv").write_text("483920\n")
    with contextlib.redirect_stdout(io.StringIO()):
        researcher, owner = SyftRDSClient.pair_with_mock_drive_service_connection(
            email1=HOSPITAL,
            email2=ADA,
            base_path1=base / "hospital",
            base_path2=base / "ada",
            use_in_memory_cache=False,
        )
        owner.create_dataset(
            name="admissions", mock_path=base / "mock.csv", private_path=base / "private.csv", users=[ADA]
        )
    return researcher, owner


def run_plainly(plain, name, script, *, timeout=60, in_between=None):
    """Seconds that PySyft's own runner took for a bash job, and the files that the researcher has then."""
    researcher, owner = plain
    with contextlib.redirect_stdout(io.StringIO()):
        researcher.submit_bash_job(HOSPITAL, script, job_name=name)
        owner.jobs[name].approve()
        if in_between:
            in_between(researcher)
            owner.sync()
        start = time.monotonic()
        owner.process_approved_jobs(stream_output=True, timeout=timeout)
        seconds = time.monotonic() - start
        review = researcher.jobs[name].job_review_path
    return seconds, {path.name: path.read_text() for path in review.rglob("*") if path.is_file()}


def test_pysyfts_own_runner_isolates_nothing_and_shows_the_output(plain, monkeypatch):
    stated("starts an approved job as the owner's user, with the owner's environment")
    stated("all of the owner's files within reach: **it isolates nothing.**")
    stated("What a job prints, error messages included, lands where the submitter can read it, asked or not.")
    monkeypatch.setenv("SECRET_OF_THE_OWNER", "1234")
    _researcher, owner = plain
    script = (
        f'id -u; echo "$SECRET_OF_THE_OWNER"; cat {owner.syftbox_folder}/*/private/syft_datasets/*/*.csv >&2'
    )
    _seconds, files = run_plainly(plain, "looks around", script)
    assert files["stdout.txt"].split() == [str(os.getuid()), "1234"]
    assert files["stderr.txt"].strip() == "483920"


@pytest.mark.parametrize("script", ["(setsid sleep 6 &)\nsleep 0.3\n", "printf x; sleep 6\n"])
def test_a_job_outlives_the_limit_of_pysyfts_own_runner(plain, script):
    stated("a job that leaves a child behind, or prints half a line and sleeps, outlives it")
    seconds, _files = run_plainly(plain, f"outlives {len(script)}", script, timeout=1)
    assert seconds > 4


def test_a_submitter_can_exchange_the_code_after_the_approval(plain):
    stated("the submitter can exchange the code *after* the approval")

    def exchange(researcher):
        (path,) = researcher.syftbox_folder.rglob("exchanged/run.sh")
        path.write_text("echo exchanged\n")
        researcher.sync_engine.push_job_files(path.parent)

    _seconds, files = run_plainly(plain, "exchanged", "echo harmless\n", in_between=exchange)
    assert files["stdout.txt"] == "exchanged\n"


def test_run_sh_builds_an_environment_with_uv_and_the_submitter_writes_it(plain, tmp_path):
    stated("it builds an environment for Python 3.12 with `uv`")
    stated("Without the desk, PySyft starts `run.sh`.")
    researcher, owner = plain
    (tmp_path / "job.py").write_text("pass")
    with contextlib.redirect_stdout(io.StringIO()):
        researcher.submit_python_job(HOSPITAL, str(tmp_path / "job.py"), job_name="python")
        script = owner.jobs["python"].run_script
        (ours,) = researcher.syftbox_folder.rglob("python/run.sh")
    assert "uv venv --python 3.12" in script and "uv pip install" in script
    assert ours.read_text() == script  # written on the researcher's side


def test_automatic_approval_goes_by_names_below_code_and_does_not_look_at_run_sh(plain, tmp_path):
    stated("it tells the files below `code` apart by their bare names, whatever folder they are in")
    stated("and does not look at `run.sh`")
    from syft_rds.job_auto_approval import job_matches_criteria

    researcher, owner = plain
    (tmp_path / "job.py").write_text("print('known')")
    with contextlib.redirect_stdout(io.StringIO()):
        researcher.submit_python_job(HOSPITAL, str(tmp_path / "job.py"), job_name="known")
        (script,) = researcher.syftbox_folder.rglob("known/run.sh")
        script.write_text("echo something else\n")
        researcher.sync_engine.push_job_files(script.parent)
        job = owner.jobs["known"]
    assert job.run_script == "echo something else\n"
    assert job_matches_criteria(job, {"job.py": "print('known')"}, ["job.py"])
    assert not job_matches_criteria(job, {"job.py": "print('other')"}, ["job.py"])


def test_login_leaves_encryption_off_and_files_lie_in_the_home_folder():
    from syft.sync.syftbox_manager import SyftboxManagerConfig, get_jupyter_default_syftbox_folder
    from syft_rds import login_do, login_ds

    stated("PySyft's own `login_do` and `login_ds` leave encryption off in this version")
    assert inspect.signature(SyftboxManagerConfig.for_jupyter).parameters["encryption"].default is False
    for login in (login_do, login_ds):
        assert list(inspect.signature(login).parameters)[:2] == ["email", "token_path"]
        assert "encryption" not in inspect.signature(login).parameters
    stated("Files lie in the folder `SyftBox_<email>` in your home folder")
    assert get_jupyter_default_syftbox_folder(ADA) == Path.home() / f"SyftBox_{ADA}"


def test_what_older_tutorials_call_is_gone_and_what_takes_its_place_is_there():
    import syft
    from syft_job.job import JobInfo
    from syft_rds import SyftRDSClient

    gone = ("TorchHook", "VirtualWorker", "KerasHook", "TFEWorker", "TFECluster", "Asset")
    for name in (*gone, "Dataset", "syft_function"):
        stated(f"sy.{name}(" if name in gone else f"sy.{name}")
        assert not hasattr(syft, name)
    stated("`client.create_dataset(name, mock_path, private_path, users=...)`")
    parameters = list(inspect.signature(SyftRDSClient.create_dataset).parameters)
    assert parameters[1:4] == ["name", "mock_path", "private_path"] and "users" in parameters
    stated("`client.submit_python_job(owner, path)`, `job.approve()`")
    assert list(inspect.signature(SyftRDSClient.submit_python_job).parameters)[1:3] == ["user", "code_path"]
    assert callable(JobInfo.approve) and callable(syft.resolve_dataset_file_path)
    assert callable(SyftRDSClient.delete_syftbox)


# What the lesson says of its own desk, with its own code.


@pytest.fixture(scope="module")
def parties():
    with house(ADA, EVE) as (_drive, hospital, ada, eve):
        yield hospital, ada, eve


def test_what_stops_each_bad_job(parties):
    stated("Ada hands in seven bad jobs")
    (bad,) = (
        ast.literal_eval(node.value)
        for node in SOURCE.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "BAD"
    )
    assert len(bad) == 7
    hospital, ada, _eve = parties
    for name, code in bad.items():
        ada.run(research.submit, HOSPITAL, name, code)
        hospital.run(agree, name, 2 if name == "never ends" else 20)
    ada.run(research.exchange, "is exchanged", "print(2)")
    outcomes = hospital.run(run_approved)
    assert outcomes["never ends"] == "Job never ends was stopped after 2 seconds."
    assert "changed after the review" in outcomes["is exchanged"]
    assert "should be a plain file" in outcomes["sets a link"]
    stated("Ada learns of each job that it failed, and when, and no more: not even the exit code")
    for name in bad:
        assert ada.run(research.fetch, name) == {"status": "failed", "reason": None, "result": None}
    assert hospital.run(processes_and_walls)[0] == 0
    stated("Without the wall for `files`, the three jobs with a star are not stopped")
    assert sum(name.endswith("*") for name in bad) == 3
    require_landlock()
    for name in bad:
        if name.endswith("*"):
            assert "PermissionError" in hospital.run(log_of, name)


def agree(here, name, seconds):
    here.desk.approve(here.desk.read(name), datasets=["admissions"], seconds=seconds)


def processes_and_walls(here):
    return here.desk.runner.count_processes(), here.desk.runner.walls


def test_linux_has_two_walls_more_than_others(parties):
    stated("macOS has neither Landlock nor network namespaces.")
    stated("An ordinary user can put up all of these.")
    hospital, ada, _eve = parties
    ada.run(research.submit, HOSPITAL, "walls", "open('outputs/result.json', 'w').write('1')")
    assert hospital.run(approve_and_run, "walls", {}) == "done"
    standing = hospital.run(processes_and_walls)[1]
    assert standing["resources"] and standing["files"] == (walls.landlock_version() > 0)


def test_eve_finds_no_dataset_and_is_rejected(parties):
    stated("She becomes a peer, finds no dataset, and hands in Ada's code. The hospital rejects it.")
    hospital, ada, eve = parties
    assert eve.run(count_datasets) == 0 and ada.run(count_datasets) == 1
    eve.run(research.submit, HOSPITAL, "stays", TEXTS["STAYS"])
    hospital.run(reject, "stays", EVE, "No.")
    assert eve.run(research.fetch, "stays") == {"status": "rejected", "reason": "No.", "result": None}


def count_datasets(here):
    return len(list(here.client.datasets))


def reject(here, name, researcher, reason):
    here.desk.reject(here.desk.read(name, researcher=researcher), reason)


def test_memory_and_time_are_those_that_the_benchmark_holds_it_to():
    from benchmarks.lessons import BARS

    stated("the cells run in less than a minute. **Memory:** under 1 GB, all processes included.")
    assert BARS["11_remote_data_science"] == (60, 1.0)
