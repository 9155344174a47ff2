"""A cluster's life, and what can go wrong in it: each fault is told within seconds, and nothing is left."""

import concurrent.futures
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

import mpc_parts
from course_lib.i18n import use_language
from course_lib.mpc import SharedModel, TFECluster, TFEWorker, connection, credentials
from course_lib.mpc.credentials import CLIENT, OWNER, PARTY
from course_lib.mpc.spec import PARTIES
from course_lib.processes import free_port
from mpc_parts import (
    BOUND,
    VALUES,
    client_of,
    expected,
    free_hosts,
    listening,
    new_cluster,
    parties,
    wait_until,
)
from process_parts import alive

cluster, compiled, shared = mpc_parts.cluster, mpc_parts.compiled, mpc_parts.shared
fragile, broken_cluster = mpc_parts.fragile, mpc_parts.broken_cluster
ROOT = Path(__file__).parents[1]


def within_bound(action, error, match):
    """Assert that `action` raises in time."""
    started = time.monotonic()
    with pytest.raises(error, match=match):
        action()
    assert time.monotonic() - started < BOUND


# Good days


def test_a_question_is_answered_and_its_cost_told(cluster, shared):
    client = client_of(cluster)
    assert np.abs(client.query_model(VALUES) - expected(VALUES)).max() < 1e-4
    assert set(client.costs) == set(PARTIES)
    for cost in client.costs.values():
        assert cost.sent_bytes > 0 and cost.messages > 10 and cost.seconds > 0
        assert {operation.name for operation in cost.operations} >= {"dot", "less"}


@pytest.mark.parametrize("examples", [1, 5, 8])
def test_batches_are_filled_up(cluster, shared, examples):
    values = np.random.default_rng(1).normal(size=(examples, 4))
    answer = client_of(cluster, examples).query_model(values)
    assert answer.shape == (examples, 3) and answer.dtype == np.float32
    assert np.abs(answer - expected(values)).max() < 1e-4


def test_a_model_that_is_shared_anew_takes_the_place_of_the_old_one(cluster, compiled, shared):
    client = client_of(cluster)
    doubled = mpc_parts.compiled_layer()
    doubled.weights[:] = [2 * weight for weight in compiled.weights]
    SharedModel(doubled, cluster).serve()
    with pytest.raises(ValueError, match="another model's"):
        client.query_model(VALUES)
    assert np.abs(client_of(cluster).query_model(VALUES) - 2 * expected(VALUES)).max() < 1e-4


def test_the_requests_that_a_model_is_served_for(cluster, compiled):
    shared = SharedModel(compiled, cluster)
    client = client_of(cluster)
    with pytest.raises(RuntimeError, match="not served yet"):
        client.query_model(VALUES)
    shared.serve(2)
    for count in (1, 2):
        client.query_model(VALUES)
        assert shared.served == count
    shared.wait()
    with pytest.raises(RuntimeError, match="no longer served: it has answered the 2 requests"):
        client.query_model(VALUES)
    shared.serve(1)
    with cluster.connect(CLIENT) as vanishing:  # a question that was not run does not count
        path, frame = f"/questions/{'7' * 32}", mpc_parts.frames_of(shared.spec, VALUES)[0]
        vanishing.ask_one("alice", "PUT", path, content=frame)
        vanishing.ask_one("alice", "POST", f"{path}/turn")
        with pytest.raises(RuntimeError, match="was not run"):
            vanishing._fetch_one("alice", path, most=100_000, enough=threading.Event())
    client.query_model(VALUES)
    shared.serve()
    shared.stop()
    shared.stop()
    with pytest.raises(RuntimeError, match="No model is shared"):
        client.query_model(VALUES)
    with pytest.raises(RuntimeError, match="holds no model"):
        client_of(cluster)
    with pytest.raises(RuntimeError, match="holds no model"):
        shared.serve()


@pytest.mark.parametrize("wrong", [0, -1])
def test_a_number_of_requests_that_is_none(cluster, shared, wrong):
    with pytest.raises(ValueError, match="1 or more"):
        shared.serve(wrong)


def test_waiting_shows_how_many_are_answered(cluster, compiled, capsys):
    shared = SharedModel(compiled, cluster)
    shared.serve(2)
    with concurrent.futures.ThreadPoolExecutor() as threads:
        waiting = threads.submit(shared.wait)
        client = client_of(cluster)
        client.query_model(VALUES)
        assert not waiting.done()
        client.query_model(VALUES)
        waiting.result(BOUND)
    assert "2/2" in capsys.readouterr().out


def test_two_clients_at_once(cluster, shared):
    def ask(seed: int) -> float:
        values, client = np.random.default_rng(seed).normal(size=(1, 4)), client_of(cluster)
        return max(np.abs(client.query_model(values) - expected(values)).max() for _query in range(5))

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        assert max(threads.map(ask, range(4))) < 1e-4
    assert shared.served == 20


def test_more_clients_than_requests(cluster, compiled):
    shared = SharedModel(compiled, cluster)
    shared.serve(3)

    def ask(_client) -> str:
        try:
            client_of(cluster).query_model(VALUES)
        except RuntimeError as error:
            return str(error)
        return "answered"

    with concurrent.futures.ThreadPoolExecutor(6) as threads:
        told = list(threads.map(ask, range(6)))
    assert told.count("answered") == 3
    assert all("no longer served" in sentence for sentence in told if sentence != "answered")


def test_another_process_of_this_user_finds_the_cluster(cluster, shared):
    asking = (
        "import sys, numpy as np, course_lib.mpc as sy\n"
        "cluster = sy.TFECluster(*map(sy.TFEWorker, sys.argv[1:]))\n"
        "client = sy.TFEWorker(); client.connect_to_model((1, 4), (1, 3), cluster)\n"
        "print(client.query_model(np.ones((1, 4))).tolist())"
    )
    command = [sys.executable, "-c", asking, *cluster.hosts]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    assert np.allclose(json.loads(answer), expected(np.ones((1, 4))), atol=1e-4)


# What each party sees


def test_what_a_party_gets_is_noise_and_all_three_together_give_the_question_back(
    compiled, tmp_path, cluster, shared
):
    other = new_cluster()  # beside the first, which goes on
    other.start(record=tmp_path)
    try:
        SharedModel(compiled, other).serve()
        values = np.full((8, 4), 0.25)
        answer = client_of(other, 8).query_model(values)
        assert np.abs(client_of(cluster).query_model(VALUES) - expected(VALUES)).max() < 1e-4
        said = [process.log() for process in other._processes]
    finally:
        other.stop()
    assert said == [""] * 3  # no log of who asked what
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}
    names = {party: sorted(path.name for path in (tmp_path / party).iterdir()) for party in PARTIES}
    assert (
        list(names.values())
        == [["0001-weight-0.npy", "0002-weight-1.npy", "0003-question.npy", "0004-answer.npy"]] * 3
    )
    for name, whole in zip(names["alice"], [*compiled.weights, values, answer], strict=True):
        held = [np.load(tmp_path / party / name) for party in PARTIES]
        opened = (held[0].sum(axis=-1, dtype=np.uint64) + held[1][..., 1]).astype(np.int64) / 2**18
        assert np.allclose(opened, whole, atol=1e-4)
        for share in held:  # equal numbers look different: a share is no disguise of them
            assert len(np.unique(share)) == share.size
            assert not np.isclose(share.astype(np.int64) / 2**18, whole[..., None], atol=1).any()


# Bad input


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (np.zeros((1, 5)), r"shape \(1, 4\) were expected, but \(1, 5\)"),
        (np.zeros((2, 4)), r"shape \(1, 4\) were expected, but \(2, 4\)"),
        (np.zeros(4), "shape"),
        (np.zeros((1, 4), np.uint8), "but uint8 came"),
        (np.zeros((1, 4), np.int64), "but int64 came"),
        (np.zeros((1, 4), complex), "but complex128 came"),
        (np.full((1, 4), "7"), "came"),
        (np.full((1, 4), None), "but object came"),
        (np.full((1, 4), np.nan), "NaN or infinity"),
        (np.full((1, 4), np.inf), "NaN or infinity"),
        (np.full((1, 4), 2.0**21), "up to ±1048576"),
        (np.full((1, 4), 1e300), "up to ±1048576"),
    ],
)
def test_what_is_no_question(cluster, shared, values, match):
    client = client_of(cluster)
    within_bound(lambda: client.query_model(values), ValueError, match)
    assert shared.served == 0


@pytest.mark.parametrize(
    ("input_shape", "output_shape", "match"),
    [
        ((1, 5), (1, 3), "The model takes"),
        ((1, 4), (1, 4), "The model takes"),
        ((1, 4), (2, 3), "The model takes"),
        ((4,), (3,), "The model takes"),
        ((), (), "The model takes"),
        ((9, 4), (9, 3), "Between 1 and 8"),
        ((0, 4), (0, 3), "Between 1 and 8"),
    ],
)
def test_a_client_that_expects_another_model(cluster, shared, input_shape, output_shape, match):
    with pytest.raises(ValueError, match=match):
        TFEWorker().connect_to_model(input_shape, output_shape, cluster)


def test_a_client_that_is_not_connected():
    with pytest.raises(RuntimeError, match="connect_to_model"):
        TFEWorker().query_model(VALUES)


@pytest.mark.parametrize(
    "host", ["4000", "localhost", "localhost:0", "localhost:99999", "", "a b:1", ":1", 5]
)
def test_a_host_that_is_none(host):
    with pytest.raises(ValueError, match="A host like"):
        TFEWorker(host)


@pytest.mark.parametrize(
    ("hosts", "different"),
    [(["localhost:4000", "127.0.0.1:4000", None], 2), (["localhost:4000"] * 3, 1)],
)
def test_parties_at_the_same_place(hosts, different):
    cluster = TFECluster(*map(TFEWorker, hosts))
    within_bound(cluster.start, ValueError, f"Three hosts were expected, but {different} came")
    one = TFEWorker()
    with pytest.raises(ValueError, match="Three hosts were expected, but 1 came"):
        TFECluster(one, one, one).start()


def test_a_free_port_that_the_system_names_twice(monkeypatch):
    named = iter([4000, 4000, 4001, 4001, 4000, 4002])
    monkeypatch.setattr("course_lib.mpc.cluster.free_port", lambda: next(named))
    cluster = new_cluster()
    cluster._give_hosts()
    assert cluster.hosts == ["127.0.0.1:4000", "127.0.0.1:4001", "127.0.0.1:4002"]


def test_a_cluster_that_nobody_started():
    cluster = TFECluster(*(TFEWorker(host) for host in free_hosts()))
    within_bound(lambda: client_of(cluster), ValueError, "No credentials can be read")
    cluster.stop()
    cluster.stop()


# Who may


def requests_with(cluster, role: str, tokens: dict[str, str]) -> connection.Connection:
    identity = credentials.Identity(Path("."), tokens, {})
    return connection.Connection(cluster.hosts, identity, tls=False)


EVERYTHING = [
    ("GET", "/state"), ("GET", "/link-port"), ("POST", "/join"), ("GET", "/join"), ("POST", "/end"),
    ("PUT", "/model"), ("DELETE", "/model"), ("GET", "/model"), ("PUT", "/serving"),
    ("PUT", f"/questions/{'0' * 32}"),
    ("POST", f"/questions/{'0' * 32}/turn"), ("GET", f"/questions/{'0' * 32}"),
    ("DELETE", f"/questions/{'0' * 32}"), ("POST", "/turns"), ("GET", "/pulse"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), EVERYTHING)
def test_nobody_without_a_token_gets_anything(cluster, shared, method, path):
    for token in ("wrong", "a" * 10_000):
        stranger = requests_with(cluster, CLIENT, dict.fromkeys(PARTIES, token))
        within_bound(lambda: stranger.ask(method, path), PermissionError, "does not admit")  # noqa: B023
        stranger.close()
    assert np.abs(client_of(cluster).query_model(VALUES) - expected(VALUES)).max() < 1e-4


def test_a_client_may_ask_and_no_more(cluster, shared):
    with cluster.connect(CLIENT) as client:
        for method, path in EVERYTHING:
            if "/questions" not in path and path != "/state":
                with pytest.raises(PermissionError, match="does not admit"):
                    client.ask(method, path)
    with cluster.connect(OWNER) as owner, pytest.raises(PermissionError):
        owner.ask("PUT", f"/questions/{'0' * 32}")


def test_the_tokens_of_one_party_open_no_other(cluster):
    identity = credentials.read_identity(credentials.meeting_place(cluster.hosts) / OWNER)
    shifted = dict(zip(PARTIES, [identity.shown[party] for party in ("bob", "carol", "alice")], strict=True))
    stranger = requests_with(cluster, OWNER, shifted)
    with pytest.raises(PermissionError):
        stranger.ask("GET", "/state")
    stranger.close()


def test_a_party_may_take_turns_with_the_others_and_no_more(cluster, shared):
    """Alice knows the ids of questions: with them and her token nobody may fetch another party's share."""
    identity = credentials.read_identity(credentials.meeting_place(cluster.hosts) / "alice")
    alice = requests_with(cluster, PARTY, identity.shown | {"alice": "none"})
    for method, path in EVERYTHING:
        if path not in ("/turns", "/pulse"):
            with pytest.raises(PermissionError, match="does not admit"):
                alice.ask_one("bob", method, path)
    with pytest.raises(ValueError, match="JSON"):
        alice.ask_one("bob", "POST", "/turns")
    alice.close()


def assert_private(cluster):
    """Tokens are for this user alone, and stand in no command line or environment."""
    folder = credentials.meeting_place(cluster.hosts)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 5
    assert {path.stat().st_mode & 0o077 for path in [folder, *folder.rglob("*")]} == {0}
    held = {path: path.read_text() for path in files}
    tokens = [token for text in held.values() for token in json.loads(text)["shown"].values()]
    for process in parties(cluster):
        seen = " ".join([*process.cmdline(), *process.environ().values()])
        assert not [token for token in tokens if token in seen]


# Starting and stopping


def test_nothing_is_left_after_stop_and_a_new_cluster_starts_at_the_same_place(compiled, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")  # of which nobody takes notice
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    workers = [TFEWorker(host) for host in free_hosts()]
    cluster = TFECluster(*workers)
    for _time in range(2):
        cluster.start()
        processes = parties(cluster)
        assert len({process.pid for process in processes}) == 3
        assert_private(cluster)
        with pytest.raises(RuntimeError, match="started already"):
            cluster.start()
        SharedModel(compiled, cluster).serve()
        client_of(cluster).query_model(VALUES)
        cluster.stop()
        cluster.stop()
        assert not [process for process in processes if alive(process)]
        assert not [port for port in ports_of(cluster) if port in listening()]
        assert not credentials.meeting_place(cluster.hosts).exists()


def test_a_port_in_use(cluster):
    taken = TFEWorker(cluster.hosts[1])
    other = TFECluster(TFEWorker(), taken, TFEWorker())
    within_bound(other.start, RuntimeError, f"bob cannot have port {cluster.hosts[1].rpartition(':')[2]}")
    assert not {ports_of(other)[0], ports_of(other)[2]} & listening()
    assert len(parties(cluster)) == 3  # the one that has the port is left alone


def test_errors_are_told_in_the_callers_language(cluster, shared):
    """Those of a party, those of a connection, and those of a start, whatever the parties speak."""
    nobody = TFECluster(*(TFEWorker(host) for host in free_hosts()))
    strangers = requests_with(nobody, OWNER, dict.fromkeys(PARTIES, "token"))
    with use_language("de"), cluster.connect(OWNER) as owner, contextlib.closing(strangers):
        within_bound(
            lambda: owner.ask("PUT", "/serving", json={"num_requests": 0}), ValueError, "alice: Erwartet"
        )
        within_bound(TFECluster(*map(TFEWorker, cluster.hosts)).start, RuntimeError, "alice kann den Port")
        within_bound(lambda: strangers.ask("GET", "/state"), RuntimeError, "antwortet nicht")


def test_the_same_cluster_twice(cluster, shared):
    again = TFECluster(*map(TFEWorker, cluster.hosts))
    within_bound(again.start, RuntimeError, "alice cannot have port")
    assert np.abs(client_of(cluster).query_model(VALUES) - expected(VALUES)).max() < 1e-4


def test_a_party_that_dies_at_its_start(monkeypatch):
    cluster = new_cluster()
    monkeypatch.setattr(
        cluster,
        "_words",
        lambda party, host: ["-c", "raise SystemExit('no')"] if party == "carol" else words(party, host),
    )
    words = TFECluster._words.__get__(cluster)
    with pytest.raises(RuntimeError, match="carol ended with exit code 1"):
        cluster.start()
    assert not {*ports_of(cluster)} & listening()
    assert not credentials.meeting_place(cluster.hosts).exists()


STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


@pytest.mark.parametrize("hanging", [["carol"], PARTIES])
def test_parties_that_hang_at_their_start_and_ignore_the_request_to_end(monkeypatch, hanging):
    cluster = new_cluster()
    words = cluster._words
    monkeypatch.setattr(
        cluster,
        "_words",
        lambda party, host: ["-c", STUBBORN] if party in hanging else words(party, host),
    )
    before = set(psutil.Process().children())
    within_bound(cluster.start, RuntimeError, f"{hanging[0]} did not answer")
    assert set(psutil.Process().children()) <= before
    assert not credentials.meeting_place(cluster.hosts).exists()


@pytest.mark.parametrize(("repeated", "joined"), [(1, True), (100, False)])
def test_the_same_port_for_two_links(monkeypatch, repeated, joined):
    """The system may name it to two parties; another time it names others."""
    fetch, named = connection.Connection.fetch, []

    def fetch_repeated(self, path, **how):
        answers = fetch(self, path, **how)
        if path == "/link-port":
            named.append(answers)
            return [answers[0], answers[0], answers[2]] if len(named) <= repeated else answers
        return answers

    monkeypatch.setattr(connection.Connection, "fetch", fetch_repeated)
    before = set(psutil.Process().children())
    expecting = contextlib.nullcontext() if joined else pytest.raises(RuntimeError, match="Three ports for")
    with expecting, new_cluster():
        assert len(named) == 2
    assert set(psutil.Process().children()) <= before


@pytest.mark.parametrize("path", ["/link-port", "/join"])
def test_a_party_that_hangs_between_its_start_and_its_seat(monkeypatch, path):
    cluster, fetch, ask = new_cluster(), connection.Connection.fetch, connection.Connection.ask
    frozen = []

    def freeze(asked: str) -> None:
        if asked == path:
            parties(cluster)[2].suspend()
            frozen.append(time.monotonic())

    def fetch_frozen(self, path, **how):
        freeze(path)
        return fetch(self, path, **how)

    def ask_frozen(self, method, path, **how):
        freeze(path)
        return ask(self, method, path, **how)

    monkeypatch.setattr(connection.Connection, "fetch", fetch_frozen)
    monkeypatch.setattr(connection.Connection, "ask", ask_frozen)
    before = set(psutil.Process().children())
    with pytest.raises(RuntimeError, match="carol .*does not answer|can't reach carol"):
        cluster.start()
    assert time.monotonic() - frozen[0] < BOUND
    assert set(psutil.Process().children()) <= before
    assert not credentials.meeting_place(cluster.hosts).exists()


def test_a_link_that_is_silent(monkeypatch):
    """As behind a firewall that lets the parties' endpoints through and drops the engine's messages."""
    cluster = new_cluster()
    with socket.create_server(("127.0.0.1", 0)) as silent:

        def join() -> None:
            with cluster.connect(OWNER) as owner:
                links = [f"127.0.0.1:{answer.json()['link_port']}" for answer in owner.fetch("/link-port")]
                others = [*links[:2], f"127.0.0.1:{silent.getsockname()[1]}"]
                for party, reached in zip(PARTIES, (others, others, links), strict=True):
                    request = {"session": "a" * 32, "endpoints": cluster.hosts, "links": reached}
                    owner.ask_one(party, "POST", "/join", json=request)
                joining.append(time.monotonic())
                owner.fetch("/join")

        joining = []
        monkeypatch.setattr(cluster, "_join", join)
        before = set(psutil.Process().children())
        with pytest.raises(RuntimeError, match="can't join the other two|is gone"):
            cluster.start()
        assert time.monotonic() - joining[0] < BOUND
    assert set(psutil.Process().children()) <= before


def test_a_party_that_hangs_when_its_turn_comes(broken_cluster, compiled):
    shared = SharedModel(compiled, broken_cluster)
    shared.serve()
    path = f"/questions/{'6' * 32}"
    with broken_cluster.connect(CLIENT) as client:
        client.ask("PUT", path, contents=mpc_parts.frames_of(shared.spec, VALUES))
        parties(broken_cluster)[1].suspend()
        within_bound(
            lambda: client.ask_one("alice", "POST", f"{path}/turn"), RuntimeError, "The party bob is gone"
        )


def test_a_party_that_hangs_while_it_gets_a_model(broken_cluster, compiled):
    parties(broken_cluster)[1].suspend()
    within_bound(lambda: SharedModel(compiled, broken_cluster), RuntimeError, "does not answer|is gone")


def ports_of(cluster: TFECluster) -> list[int]:
    return [int(host.rpartition(":")[2]) for host in cluster.hosts]


PARENT = """
import sys
from course_lib.mpc import TFECluster, TFEWorker
cluster = TFECluster(TFEWorker(), TFEWorker(), TFEWorker())
cluster.start()
print(*cluster.hosts, flush=True)
sys.stdin.read()
"""


def test_nothing_runs_on_of_a_cluster_whose_notebook_is_killed(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"COURSE_HOME": str(tmp_path)},
    ) as parent:
        hosts = parent.stdout.readline().split()
        processes = parties(TFECluster(*map(TFEWorker, hosts)))
        try:
            parent.kill()
            wait_until(lambda: not any(map(alive, processes)), "the parties' end")
            assert not list(tmp_path.rglob("*.json"))  # and their tokens are gone with them
        finally:
            for process in filter(alive, processes):
                process.kill()


# A party or a client that is gone


@pytest.fixture(scope="module")
def without_end():
    return mpc_parts.compiled_without_end()


@pytest.mark.parametrize("rank", range(3))
def test_a_party_that_is_killed_during_a_query(broken_cluster, without_end, rank):
    """A new cluster starts at the same place afterwards: the next of these tests has it do so."""
    SharedModel(without_end, broken_cluster).serve()
    client, processes = client_of(broken_cluster), parties(broken_cluster)
    so_far = [process.cpu_times().user for process in processes]
    with concurrent.futures.ThreadPoolExecutor() as threads:
        asking = threads.submit(client.query_model, VALUES)
        for process, before in zip(processes, so_far, strict=True):
            wait_until(lambda: process.cpu_times().user > before + 0.3, "computing")  # noqa: B023
        assert not asking.done()
        processes[rank].kill()
        started = time.monotonic()
        with pytest.raises(RuntimeError, match="does not answer|is gone|failed"):
            asking.result(BOUND)
        assert time.monotonic() - started < BOUND
    wait_until(lambda: not any(map(alive, processes)), "the others' end")
    within_bound(lambda: client.query_model(VALUES), RuntimeError, "does not answer")


def test_a_party_that_hangs(broken_cluster):
    client, processes = client_of(broken_cluster), parties(broken_cluster)
    processes[2].suspend()
    within_bound(lambda: client.query_model(VALUES), RuntimeError, "does not answer|is gone")
    wait_until(lambda: not any(map(alive, processes[:2])), "the others' end")
    started = time.monotonic()
    broken_cluster.stop()
    assert not alive(processes[2]) and time.monotonic() - started < BOUND


def test_a_client_that_vanishes_in_each_phase(cluster, shared):
    """Its question reached one party, two, all three, or was run, and nobody asks for the answer."""
    frame = mpc_parts.frames_of(shared.spec, VALUES)
    with cluster.connect(CLIENT) as client:
        for phase in range(4):
            question_id = f"{phase:032x}"
            for rank in range(min(phase + 1, 3)):
                client.ask_one(PARTIES[rank], "PUT", f"/questions/{question_id}", content=frame[rank])
            client.ask_one("alice", "POST", f"/questions/{question_id}/turn")
    started = time.monotonic()
    assert np.abs(client_of(cluster).query_model(VALUES) - expected(VALUES)).max() < 1e-4
    assert time.monotonic() - started < BOUND
    wait_until(lambda: shared.served == 3, "the count")  # two that ran for nobody, and ours


def test_a_client_that_hangs_up_while_it_sends(cluster, shared):
    host, port = cluster.hosts[0].split(":")
    token = credentials.read_identity(credentials.meeting_place(cluster.hosts) / CLIENT).shown["alice"]
    for _time in range(3):
        with socket.create_connection((host, int(port))) as caller:
            head = f"PUT /questions/{'1' * 32} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n"
            caller.sendall(head.encode() + b"Content-Length: 100\r\n\r\nMPC1")
    assert np.abs(client_of(cluster).query_model(VALUES) - expected(VALUES)).max() < 1e-4


def test_an_interrupted_query_leaves_nothing_behind(cluster, shared, monkeypatch):
    monkeypatch.setattr("course_lib.mpc.client.secrets.token_hex", lambda _count: "9" * 32)
    # A shell that starts us in the background lets this signal be ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    client, processes = client_of(cluster), parties(cluster)
    processes[1].suspend()
    timer = interrupt_once_taken_by(monkeypatch, {"alice", "carol"})
    try:
        with pytest.raises(KeyboardInterrupt):
            client.query_model(VALUES)
    finally:
        processes[1].resume()
        timer.result()
        signal.signal(signal.SIGINT, before)
    with cluster.connect(CLIENT) as other:  # alice and carol had taken it
        for party in ("alice", "carol"):
            with pytest.raises(RuntimeError, match="no question with this id"):
                other.ask_one(party, "GET", f"/questions/{'9' * 32}")
    monkeypatch.undo()
    assert np.abs(client.query_model(VALUES) - expected(VALUES)).max() < 1e-4


def test_a_long_query_that_is_interrupted_is_forgotten(broken_cluster, without_end, monkeypatch):
    monkeypatch.setattr("course_lib.mpc.client.secrets.token_hex", lambda _count: "9" * 32)
    SharedModel(without_end, broken_cluster).serve()
    client = client_of(broken_cluster)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupted = interrupt_once_taken_by(monkeypatch, {*PARTIES})
    try:
        with pytest.raises(KeyboardInterrupt):
            client.query_model(VALUES)
        assert time.monotonic() - interrupted.result() < BOUND
    finally:
        signal.signal(signal.SIGINT, before)
    with broken_cluster.connect(CLIENT) as other:
        for party in PARTIES:
            with pytest.raises(RuntimeError, match="no question with this id"):
                other.ask_one(party, "GET", f"/questions/{'9' * 32}")


def interrupt_once_taken_by(monkeypatch, parties: set[str]) -> concurrent.futures.Future:
    """Interrupt this process when these have taken their shares of a question; when that was."""
    ask_one, taken = connection.Connection.ask_one, set()

    def noting(self, party, method, path, **how):
        answer = ask_one(self, party, method, path, **how)
        if method == "PUT" and path.startswith("/questions/"):
            taken.add(party)
        return answer

    def interrupt() -> float:
        wait_until(lambda: taken >= parties, "the shares' arrival")
        time.sleep(1)  # the caller waits for the answer, or for the one that hangs
        os.kill(os.getpid(), signal.SIGINT)
        return time.monotonic()

    monkeypatch.setattr(connection.Connection, "ask_one", noting)
    return concurrent.futures.ThreadPoolExecutor().submit(interrupt)
