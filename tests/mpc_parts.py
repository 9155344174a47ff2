"""What the tests of three-party computation share: a small network without Keras, and clusters to ask.

A test module takes the fixtures that it needs: `cluster = mpc_parts.cluster`.
"""

import secrets
import time

import numpy as np
import psutil
import pytest

pytest.importorskip("spu", reason="the engine of the three parties has no build for this machine")

from course_lib.mpc import SharedModel, TFECluster, TFEWorker, engine, wire
from course_lib.mpc.compilation import CompiledModel
from course_lib.mpc.spec import ModelSpec

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


def compiled_layer() -> CompiledModel:
    """The layer as `compile_model` would return it."""
    spec = ModelSpec(secrets.token_hex(16), (4,), (3,), BATCH_SIZES, (WEIGHTS.shape, BIAS.shape))
    programs = {size: program(layer, (size, 4), WEIGHTS.shape, BIAS.shape) for size in BATCH_SIZES}
    return CompiledModel(spec, programs, [WEIGHTS, BIAS])


def compiled_slowly() -> CompiledModel:
    """A network of the same shapes on which three parties work for a second or two."""

    def function(values, weights, bias):
        import jax.numpy as jnp

        values = values @ weights + bias
        for step in range(60):
            values = jnp.maximum(values, step * 0.01) * 0.5
        return values

    spec = ModelSpec(secrets.token_hex(16), (4,), (3,), (1,), (WEIGHTS.shape, BIAS.shape))
    return CompiledModel(spec, {1: program(function, (1, 4), WEIGHTS.shape, BIAS.shape)}, [WEIGHTS, BIAS])


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


@pytest.fixture
def broken_cluster(compiled):
    """A cluster of the test's own, to be broken, that serves the layer; nothing may be left of it."""
    cluster = new_cluster()
    cluster.start()
    processes = parties(cluster)
    try:
        shared = SharedModel(compiled, cluster)
        shared.serve()
        yield cluster
    finally:
        for process in processes:
            if alive(process):
                process.resume()
        cluster.stop()
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


def alive(process: psutil.Process) -> bool:
    """Whether a process is there and has not ended."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def wait_until(condition, what: str) -> None:
    """Return when the condition holds, or fail."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE} seconds"
        time.sleep(0.02)
