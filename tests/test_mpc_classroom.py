"""Two notebooks and one cluster: opened, found, visited, closed; and what comes of it when one is gone."""

import secrets
import signal
import stat
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest

import mpc_parts
from course_lib.mpc import SharedModel, TFEWorker, classroom, credentials, digits
from course_lib.mpc.cluster import TFECluster
from course_lib.mpc.compilation import CompiledModel
from course_lib.mpc.spec import PARTIES, ModelSpec, digest_of
from process_parts import alive

compiled = mpc_parts.compiled

INPUT_SHAPE, OUTPUT_SHAPE = (28, 28, 1), (10,)
WEIGHTS = np.random.default_rng(5).normal(size=(784, 10)).astype(np.float32)
IMAGE = np.random.default_rng(6).random((1, *INPUT_SHAPE), dtype=np.float32)


@pytest.fixture(scope="module")
def digits_layer() -> CompiledModel:
    """One dense layer with the shapes of the lessons' network."""

    def function(values, weights):
        return values.reshape((1, 784)) @ weights

    program = mpc_parts.program(function, (1, *INPUT_SHAPE), WEIGHTS.shape)
    spec = ModelSpec(
        secrets.token_hex(16), INPUT_SHAPE, OUTPUT_SHAPE, (1,), (WEIGHTS.shape,), (digest_of(program),)
    )
    return CompiledModel(spec, {1: program}, [WEIGHTS])


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    """A home in which no notebook but this test's keeps a cluster open."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def open_cluster(own_home, digits_layer, tmp_path):
    """A cluster that another notebook keeps open."""
    cluster = mpc_parts.new_cluster()
    cluster.start(record=tmp_path / "record")
    try:
        SharedModel(digits_layer, cluster).serve()
        classroom.open_to_visitors(cluster, record=tmp_path / "record")
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def no_own_cluster(monkeypatch):
    """`visit` starts no cluster, and says so."""

    def start():
        raise LookupError("a cluster of our own")

    monkeypatch.setattr(classroom, "_start_own", start)


def answer_of(cluster: TFECluster) -> np.ndarray:
    """What the cluster answers to our image."""
    client = TFEWorker()
    client.connect_to_model((1, *INPUT_SHAPE), (1, *OUTPUT_SHAPE), cluster)
    return client.query_model(IMAGE)


def expected() -> np.ndarray:
    """What the layer answers in the clear."""
    return IMAGE.reshape(1, 784) @ WEIGHTS


def test_a_visitor_finds_the_open_cluster_and_leaves_it_open(open_cluster, no_own_cluster, tmp_path, capsys):
    for _visitor in range(2):
        with classroom.visit() as visit:
            assert visit.cluster.hosts == open_cluster.hosts
            assert visit.record == tmp_path / "record"
            assert np.abs(answer_of(visit.cluster) - expected()).max() < 1e-3
    assert (
        capsys.readouterr().out.splitlines()
        == ["Another notebook keeps a cluster open, and we ask that one."] * 2
    )
    assert sorted(path.name for path in (tmp_path / "record").iterdir()) == sorted(PARTIES)


def test_the_notice_is_for_this_user_alone_and_gone_with_the_cluster(open_cluster, own_home):
    places = list((own_home / "mpc").iterdir())
    assert places == [credentials.meeting_place(open_cluster.hosts)]
    for path in (places[0], *places[0].rglob("*")):
        forbidden = stat.S_IRWXG | stat.S_IRWXO
        assert not path.stat().st_mode & forbidden, path
    open_cluster.stop()
    assert list((own_home / "mpc").iterdir()) == []


def test_another_user_finds_nothing(open_cluster, no_own_cluster, monkeypatch, tmp_path_factory):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path_factory.mktemp("another")))
    with pytest.raises(LookupError, match="a cluster of our own"):
        classroom.visit()


def test_the_newest_of_two_open_clusters_is_found(open_cluster, no_own_cluster, digits_layer):
    with mpc_parts.new_cluster() as newer:
        SharedModel(digits_layer, newer).serve()
        classroom.open_to_visitors(newer)
        with classroom.visit() as visit:
            assert visit.cluster.hosts == newer.hosts
            assert visit.record is None
    with classroom.visit() as visit:
        assert visit.cluster.hosts == open_cluster.hosts


def test_a_cluster_that_is_not_for_visitors_is_passed_over(
    open_cluster, no_own_cluster, digits_layer, compiled
):
    def passed_over():
        with pytest.raises(LookupError, match="a cluster of our own"):
            classroom.visit()

    shared = SharedModel(digits_layer, open_cluster)
    passed_over()  # not served
    shared.serve(3)
    passed_over()  # for three questions alone
    shared.stop()
    passed_over()  # no model
    SharedModel(compiled, open_cluster).serve()
    passed_over()  # another model
    SharedModel(digits_layer, open_cluster).serve()
    classroom.visit().leave()


def test_a_cluster_whose_parties_died_is_passed_over(open_cluster, no_own_cluster):
    place = credentials.meeting_place(open_cluster.hosts)
    tokens = (place / "client" / "tokens.json").read_bytes()
    parties = mpc_parts.parties(open_cluster)
    for party in parties:  # else one that sees the others go could clean up in good order
        party.suspend()
    for party in parties:
        party.kill()
    psutil.wait_procs(parties, timeout=mpc_parts.PATIENCE)
    # A machine that lost its power leaves the files.
    credentials.make_private_folder(place / "client")
    credentials.write_private_file(place / "client" / "tokens.json", tokens)
    assert (place / "notice.json").exists()
    with pytest.raises(LookupError, match="a cluster of our own"):
        classroom.visit()


@pytest.mark.parametrize(
    "content", ["", "[]", '{"hosts": 3, "record": null}', '{"hosts": ["localhost:1"]}', "{}"]
)
def test_a_damaged_notice_is_passed_over(own_home, no_own_cluster, content):
    place = own_home / "mpc" / "damaged"
    place.mkdir(parents=True)
    (place / "notice.json").write_text(content)
    with pytest.raises(LookupError, match="a cluster of our own"):
        classroom.visit()


def test_closing_waits_for_a_visitor(open_cluster, capsys):
    visit = classroom.visit()
    closing = threading.Thread(target=classroom.close, args=(open_cluster,))
    closing.start()
    mpc_parts.wait_until(lambda: "We wait until it leaves" in capsys.readouterr().out, "waiting")
    assert np.abs(answer_of(visit.cluster) - expected()).max() < 1e-3
    visit.leave()
    visit.leave()
    closing.join(mpc_parts.PATIENCE)
    assert not closing.is_alive()
    with pytest.raises(ValueError, match="No credentials"):
        answer_of(open_cluster)


def test_closing_waits_no_longer_than_it_should(open_cluster):
    visit = classroom.visit()
    start = time.monotonic()
    classroom.close(open_cluster, patience=0.5)
    assert time.monotonic() - start < mpc_parts.BOUND
    client = TFEWorker()
    with pytest.raises(ValueError, match="No credentials"):
        client.connect_to_model((1, *INPUT_SHAPE), (1, *OUTPUT_SHAPE), visit.cluster)
    visit.leave()


def test_a_visitor_whose_cluster_is_closed_is_told_so(open_cluster):
    visit, client = classroom.visit(), TFEWorker()
    client.connect_to_model((1, *INPUT_SHAPE), (1, *OUTPUT_SHAPE), visit.cluster)
    client.query_model(IMAGE)
    open_cluster.stop()
    with pytest.raises(RuntimeError, match="does not answer|was stopped"):
        client.query_model(IMAGE)
    visit.leave()


def test_a_visitor_that_is_killed_does_not_keep_the_cluster_open(open_cluster):
    code = "from course_lib.mpc import classroom; import time; v = classroom.visit(); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-uc", code], stdout=subprocess.PIPE, text=True) as visitor:
        try:
            assert "we ask that one" in visitor.stdout.readline()
            assert classroom._has_visitors(open_cluster)
        finally:
            visitor.send_signal(signal.SIGKILL)
        visitor.wait(mpc_parts.PATIENCE)
        assert not classroom._has_visitors(open_cluster)


def test_an_interrupt_closes_at_once(open_cluster, monkeypatch, capsys):
    def interrupted(_cluster):
        raise KeyboardInterrupt

    visit = classroom.visit()
    monkeypatch.setattr(classroom, "_has_visitors", interrupted)
    classroom.close(open_cluster)
    assert "Stopped, though another notebook was still asking." in capsys.readouterr().out
    visit.leave()


def test_a_cluster_that_was_not_started_cannot_be_opened(own_home):
    cluster = TFECluster(*(TFEWorker(f"localhost:{port}") for port in (4000, 4001, 4002)))
    with pytest.raises(RuntimeError, match="started on this machine"):
        classroom.open_to_visitors(cluster)


def test_who_finds_none_starts_one_and_never_has_the_model(own_home, capsys):
    digits.tensorflow().keras.utils.set_random_seed(0)
    network = digits.build_network()
    digits.save_weights(network)
    weights = network.get_weights()[0]
    before = set(psutil.Process().children())
    with classroom.visit() as visit:
        assert "No other notebook keeps a cluster open" in capsys.readouterr().out
        started = set(psutil.Process().children()) - before
        assert list(classroom.running_parties()) == list(PARTIES)
        assert started == set(classroom.running_parties().values())  # the owner has left
        assert np.abs(answer_of(visit.cluster) - network(IMAGE).numpy()).max() < 1e-3
        held = [np.load(visit.record / party / "0001-weight-0.npy") for party in PARTIES]
        opened = (held[0].sum(axis=-1, dtype=np.uint64) + held[1][..., 1]).astype(np.int64) / 2**18
        assert np.allclose(opened, weights, atol=1e-5)
    assert not visit.record.exists()
    assert not [process for process in started if alive(process)]
    assert classroom.running_parties() == {}
    assert list((own_home / "mpc").iterdir()) == []


def test_an_owner_that_fails_is_an_error_and_nothing_is_left(own_home, monkeypatch):
    monkeypatch.setattr(classroom, "__name__", "course_lib.mpc.no_such_module")
    before = set(psutil.Process().children())
    with pytest.raises(RuntimeError, match="The owner could not share the model: .*no_such_module"):
        classroom.visit()
    assert set(psutil.Process().children()) <= before
    assert list((own_home / "mpc").iterdir()) == []
