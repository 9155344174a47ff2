"""The record of privacy budgets: what is spent stays spent, and what is too much is refused."""

import functools
import json
import subprocess
import sys
import threading

import pytest
from filelock import FileLock

from course_lib.remote.budget import BudgetExceeded, BudgetRecord

ADA, EVE = "ada@university.example", "eve@elsewhere.example"


@pytest.fixture
def record(tmp_path):
    return BudgetRecord.create(tmp_path / "budget.jsonl", epsilon=1.0, delta=1e-6)


def test_ten_times_a_tenth_is_one(record):
    for _repeat in range(10):
        record.spend(ADA, epsilon=0.1, purpose="mean")
    assert record.left(ADA) == (0.0, 1e-6)
    with pytest.raises(BudgetExceeded):
        record.spend(ADA, epsilon=1e-9, purpose="more")


def test_what_would_exceed_the_budget_is_refused_without_a_trace(record, tmp_path):
    record.spend(ADA, epsilon=0.7, purpose="mean")
    before = (tmp_path / "budget.jsonl").read_bytes()
    with pytest.raises(BudgetExceeded, match="epsilon of 0.4 and a delta of 0, but 0.3 and 1e-06 are left"):
        record.spend(ADA, epsilon=0.4, purpose="mean")
    with pytest.raises(BudgetExceeded, match="delta of 2e-06"):
        record.spend(ADA, epsilon=0.1, delta=2e-6, purpose="student")
    assert (tmp_path / "budget.jsonl").read_bytes() == before
    record.spend(ADA, epsilon=0.3, delta=1e-6, purpose="the rest")


def test_each_researcher_has_a_budget(record):
    record.spend(ADA, epsilon=1, purpose="all")
    assert record.left(ADA)[0] == 0 and record.left(EVE)[0] == 1


def test_a_record_that_is_opened_again_remembers(record, tmp_path):
    record.spend(ADA, epsilon=0.25, delta=5e-7, purpose="mean")
    assert BudgetRecord(tmp_path / "budget.jsonl").left(ADA) == (0.75, 5e-7)


def test_a_second_budget_in_its_place_is_refused(record, tmp_path):
    with pytest.raises(FileExistsError):
        BudgetRecord.create(tmp_path / "budget.jsonl", epsilon=100)


@pytest.mark.parametrize("epsilon", [0, -1, float("nan"), float("inf"), "much", None])
def test_an_epsilon_that_is_none_is_refused(record, epsilon, tmp_path):
    with pytest.raises(ValueError, match="An epsilon above 0"):
        record.spend(ADA, epsilon=epsilon, purpose="mean")
    with pytest.raises(ValueError, match="An epsilon above 0"):
        BudgetRecord.create(tmp_path / "other.jsonl", epsilon=epsilon)
    assert not (tmp_path / "other.jsonl").exists()
    assert record.left(ADA) == (1.0, 1e-6)


@pytest.mark.parametrize("delta", [-1e-9, 1, float("nan")])
def test_a_delta_that_is_none_is_refused(record, delta):
    with pytest.raises(ValueError, match="a delta from 0 to below 1"):
        record.spend(ADA, epsilon=0.1, delta=delta, purpose="mean")


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda text: text[:-3], 2),
        (lambda text: text.replace('"0.5"', '"-0.5"'), 2),
        (lambda text: text + "{}\n", 3),
        (lambda text: text + "\n", 3),
        (lambda text: "", 1),
        (lambda text: "no JSON\n" + text, 1),
    ],
)
def test_a_damaged_record_is_refused_and_never_taken_as_empty(record, tmp_path, damage, line):
    path = tmp_path / "budget.jsonl"
    record.spend(ADA, epsilon=0.5, purpose="mean")
    path.write_text(damage(path.read_text()))
    for use in (
        lambda: BudgetRecord(path),
        lambda: record.spend(ADA, epsilon=0.1, purpose="x"),
        lambda: record.left(ADA),
    ):
        with pytest.raises(ValueError, match=f"Line {line} of the budget record .* can't be read"):
            use()


def test_spending_waits_for_another_who_is_spending(record, tmp_path):
    spender = threading.Thread(target=functools.partial(record.spend, ADA, epsilon=0.5, purpose="mean"))
    with FileLock(tmp_path / "budget.jsonl.lock"):
        spender.start()
        spender.join(0.5)
        assert spender.is_alive() and record.left(ADA)[0] == 1
    spender.join(20)
    assert record.left(ADA)[0] == 0.5


def test_processes_at_once_never_spend_more_than_there_is(tmp_path):
    path = tmp_path / "budget.jsonl"
    BudgetRecord.create(path, epsilon=1.0)
    code = (
        "import sys; from course_lib.remote.budget import *\n"
        "record = BudgetRecord(sys.argv[1])\n"
        "for _repeat in range(20):\n"
        "    try: record.spend('ada', epsilon=0.1, purpose='x')\n"
        "    except BudgetExceeded: pass\n"
    )
    spenders = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _number in range(3)]
    assert [spender.wait() for spender in spenders] == [0, 0, 0]
    spent = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    assert len(spent) == 10 and BudgetRecord(path).left("ada") == (0.0, 0.0)
