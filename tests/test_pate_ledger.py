"""The privacy ledger: what is spent, what is refused, what a crash, a second process or a meddler leaves."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import dp_accounting
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from course_lib import cli
from course_lib.i18n import use_language
from course_lib.pate import journal
from course_lib.pate.accounting.events import Event, epsilon_of, epsilons_after
from course_lib.pate.accounting.gaussian import gaussian_epsilon
from course_lib.pate.journal import JournalDamaged
from course_lib.pate.ledger import BudgetExceeded, Ledger

DELTA = 1e-5
LOOK = Event(what="look", noise="gaussian", scale=150, moved=1)
ANSWER = Event(what="answer", noise="gaussian", scale=40, moved=2)
LNMAX = Event(what="answer", noise="laplace", scale=20, moved=2)
BY = {"mechanism": "GNMax", "drawn_by": "SecureNoise", "protects_anyone": True}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.jsonl"


@pytest.fixture
def ledger(path):
    """Five answers of a budget of 1."""
    made = Ledger.create(path, budget=1.0, delta=DELTA)
    for _answer in range(5):
        made.charge([ANSWER], **BY)
    return made


def head_of(path: Path) -> Path:
    return path.with_name(path.name + ".head")


# What is spent


def test_the_ledger_adds_up_exactly(ledger, path):
    ledger.charge([LOOK, LOOK, ANSWER], **BY)
    again = Ledger.open(path)
    assert again.spent() == pytest.approx(gaussian_epsilon((6 * 2 / 40**2 + 2 / 150**2) ** 0.5, delta=DELTA))
    assert [entry.event for entry in again.entries] == [ANSWER] * 5 + [LOOK, LOOK, ANSWER]
    assert [entry.epsilon for entry in again.entries][-1] == again.spent()
    epsilons = [entry.epsilon for entry in again.entries]
    assert epsilons == sorted(set(epsilons)) and again.entries == ledger.entries
    assert (again.budget, again.delta) == (1.0, DELTA)


def test_people_can_read_it(ledger, path):
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert lines[0]["budget"] == 1.0 and lines[0]["delta"] == DELTA
    assert [line["entry"] for line in lines[1:]] == [1, 2, 3, 4, 5]
    assert set(lines[1]) == {
        *("entry", "what", "noise", "scale", "moved", "mechanism", "drawn_by", "protects_anyone"),
        *("epsilon", "time", "previous"),
    }
    assert str(ledger) == "ε = 0.264 of 1.000 spent at δ = 1e-05: 0 looks, 5 answers"
    with use_language("de"):
        assert "0,264" in str(ledger)


def test_what_would_exceed_the_budget_costs_nothing(ledger, path):
    room = ledger.room([ANSWER], most=10_000)
    assert 0 < room < 10_000 and ledger.room([ANSWER], most=room - 1) == room - 1
    before = path.read_bytes()
    with pytest.raises(BudgetExceeded, match=r"budget is ε = 1\.000, and this could bring .* to 1\.0"):
        ledger.charge([ANSWER] * (room + 1), **BY)
    assert path.read_bytes() == before
    ledger.charge([ANSWER] * room, **BY)
    assert ledger.spent() <= 1.0 < epsilon_of([ANSWER] * (6 + room), delta=DELTA)
    assert ledger.room([ANSWER], most=5) == 0 and ledger.room([LOOK], most=5) > 0
    with pytest.raises(BudgetExceeded):
        ledger.charge([ANSWER], **BY)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.floats(0.5, 500)), min_size=1, max_size=8),
    st.floats(1e-9, 0.1),
    st.data(),
)
def test_the_epsilon_of_gaussian_events_is_exact_in_any_order(uses, delta, data):
    events = [
        Event(what="look", noise="gaussian", scale=sigma, moved=1)
        if look
        else Event(what="answer", noise="gaussian", scale=sigma, moved=2)
        for look, sigma in uses
    ]
    found = epsilons_after(events, delta=delta)
    assert (np.diff(found) >= 0).all()
    mu = sum(event.mu_squared for event in events) ** 0.5
    assert found[-1] == pytest.approx(gaussian_epsilon(mu, delta=delta), rel=1e-9, abs=1e-9)
    shuffled = data.draw(st.permutations(events))
    assert epsilon_of(shuffled, delta=delta) == pytest.approx(found[-1], rel=1e-9, abs=1e-12)
    since = data.draw(st.integers(0, len(events)))
    np.testing.assert_allclose(epsilons_after(events, delta=delta, since=since), found[since:], rtol=1e-12)


def test_the_epsilon_of_laplace_events_is_no_lower_than_what_privacy_loss_distributions_find():
    for count in (1, 30, 1000):
        accountant = dp_accounting.pld.PLDAccountant()
        accountant.compose(dp_accounting.LaplaceDpEvent(20.0), 2 * count)
        exact = accountant.get_epsilon(DELTA)
        found = epsilon_of([LNMAX] * count, delta=DELTA)
        assert exact * 0.999 <= found <= 1.35 * exact
    assert epsilon_of([LNMAX], delta=DELTA) == pytest.approx(0.1)


@pytest.mark.parametrize(
    "other",
    [ANSWER, Event(what="answer", noise="laplace", scale=21, moved=2)],
    ids=["Gaussian", "another scale"],
)
def test_what_no_theorem_adds_up_is_refused(path, other):
    ledger = Ledger.create(path, budget=1.0, delta=DELTA)
    ledger.charge([LNMAX], **BY)
    before = path.read_bytes()
    for ask in (lambda: ledger.charge([other], **BY), lambda: ledger.room([other], most=3)):
        with pytest.raises(ValueError, match=r"laplace\(20\) and .* can't be added up"):
            ask()
    assert path.read_bytes() == before


def test_noise_that_was_not_secret_is_told(ledger, path):
    assert ledger.protects_anyone
    ledger.charge([ANSWER], **BY | {"drawn_by": "SeededNoise", "protects_anyone": False})
    again = Ledger.open(path)
    assert not again.protects_anyone and not again.entries[-1].protects_anyone
    assert "protects nobody" in str(again) and again.entries[0].protects_anyone


# Files that are not what was written


def test_a_ledger_is_never_begun_again(ledger, path):
    with pytest.raises(ValueError, match="exists already"):
        Ledger.create(path, budget=9.0, delta=DELTA)
    path.unlink()
    with pytest.raises(JournalDamaged, match="missing, but its head .* is there"):
        Ledger.create(path, budget=9.0, delta=DELTA)
    with pytest.raises(JournalDamaged, match="the file is missing"):
        Ledger.open(path)
    assert not path.exists()


DAMAGES = {
    "cut within a line": lambda lines: b"".join(lines)[:-10],
    "cut at a line's end": lambda lines: b"".join(lines[:-1]),
    "cut before the last line's end": lambda lines: b"".join(lines)[:-1],
    "only the terms left": lambda lines: lines[0],
    "emptied": lambda lines: b"",
    "a line taken out": lambda lines: b"".join(lines[:2] + lines[3:]),
    "a number changed": lambda lines: b"".join(lines).replace(b'"scale": 40.0', b'"scale": 90.0', 1),
    "the last number changed": lambda lines: b"".join([*lines[:-1], lines[-1].replace(b"40.0", b"90.0")]),
    "the budget raised": lambda lines: b"".join(lines).replace(b'"budget": 1.0', b'"budget": 9.0'),
    "two lines exchanged": lambda lines: b"".join([*lines[:2], lines[3], lines[2], *lines[4:]]),
    "other line ends": lambda lines: b"".join(lines).replace(b"\n", b"\r\n"),
    "something put before": lambda lines: b"{}\n" + b"".join(lines),
    "a rest on a line of its own": lambda lines: b"garbage\r" + b"".join(lines),
    "not text": lambda lines: b"\xff\x00" * 100 + b"\n",
    "another kind of file": lambda lines: b"[1, 2]\n" * 6,
    "a line too many": lambda lines: b"".join(lines) + b'{"previous": "0"}\n',
}


@pytest.mark.parametrize("running", [False, True], ids=["opened", "running"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_is_not_what_was_written_is_refused(ledger, path, damage, running):
    damaged = DAMAGES[damage](path.read_bytes().splitlines(keepends=True))
    path.write_bytes(damaged)
    with pytest.raises(JournalDamaged) as caught:
        ledger.charge([ANSWER], **BY) if running else Ledger.open(path)
    assert str(path) in str(caught.value) and len(str(caught.value).splitlines()) == 1
    assert path.read_bytes() == damaged


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_change_of_one_byte_and_no_cut_is_overlooked(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("ledger") / "l"
    ledger = Ledger.create(path, budget=1.0, delta=DELTA)
    ledger.charge([ANSWER, LOOK], **BY)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= data.draw(st.integers(1, 255))
    else:
        del content[place:]
    path.write_bytes(content)
    for ask in (lambda: Ledger.open(path), lambda: ledger.charge([ANSWER], **BY)):
        with pytest.raises(JournalDamaged):
            ask()


def test_a_deleted_or_older_file_is_refused_while_its_owner_runs(ledger, path, tmp_path):
    older = {each: tmp_path / f"older-{each.name}" for each in (path, head_of(path))}
    for each, copy in older.items():
        shutil.copy(each, copy)
    ledger.charge([ANSWER], **BY)
    for each, copy in older.items():  # both files: what nobody can notice who did not have the ledger open
        shutil.copy(copy, each)
    with pytest.raises(JournalDamaged, match="while it was in use"):
        ledger.charge([ANSWER], **BY)
    assert len(Ledger.open(path).entries) == 5
    path.unlink()
    head_of(path).unlink()
    with pytest.raises(JournalDamaged, match="missing"):
        ledger.charge([ANSWER], **BY)
    with pytest.raises(JournalDamaged, match="missing"), ledger.locked():
        pass
    assert not path.exists()


def test_an_older_copy_of_the_ledger_alone_is_refused(ledger, path):
    older = path.read_bytes()
    ledger.charge([ANSWER], **BY)
    path.write_bytes(older)
    with pytest.raises(JournalDamaged, match="it has 6 lines, but 7 were written"):
        Ledger.open(path)


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]", b'{"lines_after_first": 1}', b"\xff"])
def test_without_its_head_it_is_refused(ledger, path, content):
    if content is None:
        head_of(path).unlink()
    else:
        head_of(path).write_bytes(content)
    for ask in (lambda: Ledger.open(path), lambda: ledger.charge([ANSWER], **BY)):
        with pytest.raises(JournalDamaged, match="its head"):
            ask()


def test_another_ledgers_head_is_refused(ledger, path, tmp_path):
    other = Ledger.create(tmp_path / "other", budget=1.0, delta=DELTA)
    other.charge([ANSWER] * 3, **BY)
    shutil.copy(head_of(other.path), head_of(path))
    with pytest.raises(JournalDamaged, match="line 4 is not the one that its head knows"):
        Ledger.open(path)


def test_the_head_may_lie_elsewhere(tmp_path, path):
    head = tmp_path / "of the owner" / "head"
    ledger = Ledger.create(path, budget=1.0, delta=DELTA, head=head)
    ledger.charge([ANSWER], **BY)
    assert len(Ledger.open(path, head=head).entries) == 1 and not head_of(path).exists()
    with pytest.raises(JournalDamaged, match="its head .* is missing"):
        Ledger.open(path)


def test_lines_that_hold_no_use_of_votes_are_refused(tmp_path):
    """Whoever can write can chain lines as we do: then what they say is checked."""
    for number, lines in enumerate(
        ([{"kind": "diary"}], [{"kind": "privacy ledger, format 1", "budget": 1, "delta": 7}], [{}])
    ):
        path = tmp_path / f"{number}"
        journal.Journal(path, head=head_of(path)).begin(lines[0])
        with pytest.raises(JournalDamaged, match="holds no privacy ledger"):
            Ledger.open(path)
    path = tmp_path / "forged"
    Ledger.create(path, budget=1.0, delta=DELTA)
    forged = journal.Journal(path, head=head_of(path))
    forged.read()
    with forged.locked():
        forged.append([{"what": "answer", "noise": "gaussian", "scale": -1, "moved": 2}])
    with pytest.raises(JournalDamaged, match="scale must be a number above 0, but -1 came"):
        Ledger.open(path)


def test_a_changed_working_folder_does_not_matter(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ledger = Ledger.create("ledger", budget=1.0, delta=DELTA)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    ledger.charge([ANSWER], **BY)
    assert len(Ledger.open("../ledger").entries) == 1 and not list(Path.cwd().iterdir())


# Crashes


class Crash(Exception):
    """Stands for the end of the process at this place."""


STEPS = ["before the lines", "within the lines", "before the head", "within the head", "after all"]


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_leaves_a_ledger_that_opens(ledger, path, monkeypatch, step):
    """What is on disk is what the steps before it wrote; nothing was given out: `charge` did not return."""

    def crash(*_arguments):
        raise Crash

    real = journal._replace
    if step == "before the lines":
        monkeypatch.setattr(journal, "_as_line", crash)
    elif step == "within the lines":

        def full(handle):
            os.truncate(handle, os.fstat(handle).st_size - 100)
            raise Crash

        monkeypatch.setattr(os, "fsync", full)
    elif step == "within the head":

        def half(path, content):
            path.with_name(path.name + ".new").write_bytes(content[:7])
            raise Crash

        monkeypatch.setattr(journal, "_replace", half)
    elif step == "after all":
        monkeypatch.setattr(journal, "_replace", lambda *arguments: crash(real(*arguments)))
    else:
        monkeypatch.setattr(journal, "_replace", crash)
    with pytest.raises(Crash):
        ledger.charge([ANSWER] * 3, **BY)
    monkeypatch.undo()
    survivors = {"before the lines": 5, "within the lines": 7}.get(step, 8)
    for again in (Ledger.open(path), ledger):
        with again.locked():
            assert len(again.entries) == survivors
    ledger.charge([LOOK], **BY)
    again = Ledger.open(path)
    assert len(again.entries) == survivors + 1 and again.entries[-1].event == LOOK


def test_a_crash_while_it_is_created_can_be_tried_again(path, monkeypatch):
    real, left = journal._replace, 1

    def once(*arguments):
        nonlocal left
        if not left:
            raise Crash
        left -= 1
        real(*arguments)

    monkeypatch.setattr(journal, "_replace", once)
    with pytest.raises(Crash):
        Ledger.create(path, budget=1.0, delta=DELTA)
    monkeypatch.undo()
    assert Ledger.create(path, budget=1.0, delta=DELTA).spent() == 0


def test_entries_are_on_disk_before_charge_returns(ledger, path, monkeypatch):
    """The order of calls to the operating system: lines written, synced, head synced, head put in place."""
    calls = []
    for module, name in ((os, "fsync"), (os, "replace")):
        real = getattr(module, name)

        def noted(*arguments, name=name, real=real):
            calls.append((name, len(path.read_bytes().splitlines())))
            return real(*arguments)

        monkeypatch.setattr(module, name, noted)
    ledger.charge([ANSWER, ANSWER], **BY)
    assert calls == [("fsync", 8), ("fsync", 8), ("replace", 8)]


SPENDER = """
import sys
from course_lib.pate.accounting.events import Event
from course_lib.pate.ledger import BudgetExceeded, Ledger
answer = Event(what="answer", noise="gaussian", scale=40, moved=2)
ledger = Ledger.open(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
try:
    for number in range(10_000):
        ledger.charge([answer] * 2, mechanism=sys.argv[2], drawn_by="SecureNoise", protects_anyone=True)
        print(number + 1, flush=True)
except BudgetExceeded:
    print("refused", flush=True)
"""


def spender(path: Path, name: str) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", SPENDER, str(path), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])},
    )
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX's")
@pytest.mark.parametrize("after", [1, 4, 9])
def test_a_killed_process_leaves_at_least_what_it_gave_out(path, after):
    Ledger.create(path, budget=1000.0, delta=DELTA)
    with spender(path, "killed") as process:
        process.stdin.write("go\n")
        process.stdin.flush()
        for _line in range(after):
            given_out = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
        given_out = max([given_out, *map(int, process.stdout.read().split())])
    ledger = Ledger.open(path)
    assert len(ledger.entries) >= 2 * given_out >= 2 * after
    ledger.charge([LOOK], **BY)
    assert Ledger.open(path).entries[-1].event == LOOK


def test_two_processes_spend_one_budget(path):
    ledger = Ledger.create(path, budget=0.5, delta=DELTA)
    room = ledger.room([ANSWER], most=1000)
    with spender(path, "one") as one, spender(path, "other") as other:
        spent = {}
        for process in (one, other):
            process.stdin.write("go\n")
            process.stdin.flush()
        for name, process in (("one", one), ("other", other)):
            *numbers, last = process.stdout.read().split()
            assert last == "refused" and process.wait(timeout=60) == 0
            spent[name] = 2 * len(numbers)
    again = Ledger.open(path)
    assert again.spent() <= 0.5 and len(again.entries) == room - room % 2
    found = [entry.mechanism for entry in again.entries]
    assert {name: found.count(name) for name in spent} == spent


def test_two_threads_lose_nothing(path):
    ledger = Ledger.create(path, budget=5.0, delta=DELTA)
    threads = [
        threading.Thread(target=lambda: [ledger.charge([LOOK], **BY) for _each in range(10)])
        for _thread in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(Ledger.open(path).entries) == 20 == len(ledger.entries)


def test_a_ledger_that_another_keeps_is_waited_for_only_so_long(ledger, path, monkeypatch):
    monkeypatch.setattr(journal, "LONGEST_WAIT", 0.1)
    impatient = Ledger.open(path)
    failures = []

    def ask():
        try:
            impatient.charge([ANSWER], **BY)
        except TimeoutError as error:
            failures.append(str(error))

    with ledger.locked():
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join(30)
    assert len(failures) == 1 and str(path) in failures[0]
    impatient.charge([ANSWER], **BY)
    assert len(impatient.entries) == 6


# Bad input


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"budget": 0}, "budget must be a number above 0, but 0 came"),
        ({"budget": -1.5}, "but -1.5 came"),
        ({"budget": float("nan")}, "but nan came"),
        ({"budget": float("inf")}, "but inf came"),
        ({"delta": 0}, "delta must lie between 0 and 1, both excluded, but 0 came"),
        ({"delta": 1}, "but 1 came"),
        ({"delta": float("nan")}, "but nan came"),
    ],
)
def test_bad_terms_are_named_and_leave_no_file(tmp_path, terms, said):
    with pytest.raises(ValueError) as caught:
        Ledger.create(tmp_path / "ledger", **{"budget": 1.0, "delta": DELTA} | terms)
    assert said in str(caught.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"scale": 0}, "scale must be a number above 0, but 0 came"),
        ({"scale": float("nan")}, "but nan came"),
        ({"moved": 0}, "but moved = 0 came"),
        ({"noise": "uniform"}, "'answer', 'uniform' came"),
        ({"what": "question"}, "'question', 'gaussian' came"),
    ],
)
def test_bad_events_are_named(changed, said):
    with pytest.raises(ValueError) as caught:
        Event(**{"what": "answer", "noise": "gaussian", "scale": 40, "moved": 2} | changed)
    assert said in str(caught.value)


def test_what_protects_someone_is_told_by_name(path):
    with pytest.raises(TypeError):
        Ledger.create(path, 1.0, DELTA)
    with pytest.raises(TypeError):
        Event("answer", "gaussian", 40, 2)


# The command


def test_the_command_shows_a_ledger_and_refuses_a_damaged_one(ledger, path):
    answer = CliRunner().invoke(cli.app, ["pate", "ledger", str(path)])
    assert answer.exit_code == 0
    assert "ε = 0.264 of 1.000 spent at δ = 1e-05: 0 looks, 5 answers" in answer.stdout
    assert sum("GNMax" in line for line in answer.stdout.splitlines()) == 5
    path.write_bytes(path.read_bytes()[:-1])
    answer = CliRunner().invoke(cli.app, ["pate", "ledger", str(path)])
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "can't be trusted" in answer.stderr and len(answer.stderr.splitlines()) == 1
