"""What the tests of three-party computation share: a small network without Keras, and clusters to ask.

A test module takes the fixtures that it needs: `cluster = mpc_parts.cluster`.
"""

import contextlib
import secrets
import socket
import time

import numpy as np
import psutil
import pytest

pytest.importorskip("spu", reason="the engine of the three parties has no build for this machine")

from course_lib.mpc import SharedModel, TFECluster, TFEWorker, engine, wire
from course_lib.mpc.compilation import CompiledModel
from course_lib.mpc.spec import PARTIES, ModelSpec, digest_of
from process_parts import alive

PATIENCE = 20  # seconds that we wait for something that must happen
BOUND = 10  # seconds within which a fault must be told
RANDOM = np.random.default_rng(seed=3)
WEIGHTS, BIAS = (RANDOM.normal(size=shape).astype(np.float32) for shape in ((4, 3), (3,)))
VALUES = RANDOM.normal(size=(1, 4)).astype(np.float32)
BATCH_SIZES = (1, 8)


def program(function, *shapes: tuple[int, ...]) -> bytes:
    """A program of the engine for a function of JAX arrays; its arguments are secret."""
    from spu import Visibility
    from spu.utils import frontend

    arguments = [np.zeros(shape, np.float32) for shape in shapes]
    names = [str(position) for position in range(len(arguments))]
    executable, _output = frontend.compile(
        frontend.Kind.JAX, function, arguments, {}, names, [Visibility.VIS_SECRET] * len(names),
        lambda outputs: ["output"],
    )  # fmt: skip
    return executable.code


def layer(values, weights, bias):
    """One dense layer with ReLU."""
    import jax.numpy as jnp

    return jnp.maximum(values @ weights + bias, 0)


def expected(values: np.ndarray) -> np.ndarray:
    """What the layer answers in the clear."""
    return np.maximum(values @ WEIGHTS + BIAS, 0)


def compiled_with(function, batch_sizes: tuple[int, ...]) -> CompiledModel:
    """A network of the layer's shapes as `compile_model` would return it."""
    programs = {size: program(function, (size, 4), WEIGHTS.shape, BIAS.shape) for size in batch_sizes}
    digests = tuple(map(digest_of, programs.values()))
    spec = ModelSpec(secrets.token_hex(16), (4,), (3,), batch_sizes, (WEIGHTS.shape, BIAS.shape), digests)
    return CompiledModel(spec, programs, [WEIGHTS, BIAS])


def compiled_layer() -> CompiledModel:
    """The layer, compiled."""
    return compiled_with(layer, BATCH_SIZES)


def compiled_without_end() -> CompiledModel:
    """A network on which three parties work for much longer than a test waits."""

    def function(values, weights, bias):
        import jax
        import jax.numpy as jnp

        def step(count, values):
            return jnp.maximum(values, 0.01) * 0.5

        return jax.lax.fori_loop(0, 1_000_000, step, values @ weights + bias)

    return compiled_with(function, (1,))


def new_cluster() -> TFECluster:
    """Three parties on free ports of this machine, not started yet."""
    return TFECluster(TFEWorker(), TFEWorker(), TFEWorker())


@pytest.fixture(scope="module")
def compiled() -> CompiledModel:
    """The layer, compiled once for a test module."""
    return compiled_layer()


@pytest.fixture(scope="module")
def cluster():
    """A cluster for the module's tests, with no model."""
    with new_cluster() as cluster:
        yield cluster


@pytest.fixture
def shared(cluster, compiled):
    """The layer on that cluster, served without end."""
    shared = SharedModel(compiled, cluster)
    shared.serve()
    yield shared
    shared.stop()


@pytest.fixture(scope="module")
def fragile():
    """A cluster for tests that break it; nothing may be left of it in the end."""
    cluster = new_cluster()
    yield cluster
    cluster.stop()


@pytest.fixture
def broken_cluster(fragile, compiled):
    """That cluster, started anew where it was broken, with the layer served."""
    fragile.stop()
    fragile.start()
    processes = parties(fragile)
    SharedModel(compiled, fragile).serve()
    assert np.abs(client_of(fragile).query_model(VALUES) - expected(VALUES)).max() < 1e-4
    yield fragile
    for process in filter(alive, processes):
        process.resume()
    fragile.stop()
    assert not [process for process in processes if alive(process)]


def client_of(cluster: TFECluster, examples: int = 1) -> TFEWorker:
    """A client that is connected to the layer."""
    client = TFEWorker()
    client.connect_to_model((examples, 4), (examples, 3), cluster)
    return client


def frames_of(spec: ModelSpec, values: np.ndarray) -> list[bytes]:
    """A question as the three parties get it."""
    shares = engine.make_shares(values)
    return [wire.pack_share(wire.QUESTION, share, fingerprint=spec.fingerprint) for share in shares]


def free_hosts(name: str = "localhost") -> list[str]:
    """Three different addresses; asked one by one, the system may name the same free port twice."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _party in PARTIES]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [f"{name}:{probe.getsockname()[1]}" for probe in probes]


def parties(cluster: TFECluster) -> list[psutil.Process]:
    """The processes of alice, bob and carol."""
    ports = [int(host.rpartition(":")[2]) for host in cluster.hosts]
    by_port = {
        connection.laddr.port: connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    return [psutil.Process(by_port[port]) for port in ports]


def listening() -> set[int]:
    """The TCP ports that some program of this machine listens on."""
    return {
        connection.laddr.port
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }


def wait_until(condition, what: str) -> None:
    """Return when the condition holds, or fail."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE} seconds"
        time.sleep(0.02)
