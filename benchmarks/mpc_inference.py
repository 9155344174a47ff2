"""A convolutional network on MNIST among three parties: ours beside the bare engine and beside CrypTen.

The network is the lessons' (three convolutions with average pooling and ReLU, 22,158 weights), trained for
one epoch. Ours is a whole query, from an image in the client's process to logits there. The bare engine,
SPU 0.9.5, runs the same program on shares that lie ready in its processes. CrypTen 0.4.1, in an environment
of its own under .cache/ (made when it is not there: PyTorch 2.2), computes from a secret image to opened
logits, with its trusted first party. All three run in three processes on this machine, one thread each, and
take turns, so that what else happens here happens to all of them.
"""

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import uv

from benchmarks.report import Claim, finish, print_table
from course_lib.data import mnist
from course_lib.mpc import SharedModel, TFECluster, TFEWorker, engine
from course_lib.mpc.compilation import CompiledModel, compile_model
from course_lib.mpc.spec import PARTIES
from course_lib.processes import free_port

PEERS = Path(__file__).parent / "mpc_peers"
CRYPTEN = Path(__file__).parent.parent / ".cache" / "crypten"
SIZES = (1, 4, 16, 64, 256)
COMPARED = (1, 64)
RUNS = {1: 31, 4: 7, 16: 7, 64: 9, 256: 3}
AGREEMENT_IMAGES = 1000


def crypten_python() -> Path:
    """The Python of an environment with CrypTen 0.4.1; PyTorch's CPU build where it can be reached."""
    python = CRYPTEN / "bin" / "python"
    if not (CRYPTEN / "ready").exists():
        install = [python, "-m", "pip", "install", "--quiet"]
        subprocess.run([sys.executable, "-m", "venv", "--clear", CRYPTEN], check=True)
        cpu = [uv.find_uv_bin(), "pip", "install", "--quiet", "--python", python, "--torch-backend", "cpu"]
        if subprocess.run([*cpu, "torch==2.2.2"], capture_output=True).returncode != 0:
            subprocess.run([*install, "torch==2.2.2"], check=True)
        subprocess.run([*install, "numpy<2", "scipy", "omegaconf", "pyyaml", "onnx<1.17"], check=True)
        subprocess.run([*install, "--no-deps", "crypten==0.4.1"], check=True)
        (CRYPTEN / "ready").touch()
    return python


class Peer:
    """Three processes of a peer, which run when they are told to."""

    def __init__(self, python: str | Path, script: str, folder: Path, resources: contextlib.ExitStack):
        ports = ",".join(str(free_port()) for _party in PARTIES)
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self._processes = [
            resources.enter_context(
                subprocess.Popen(
                    [python, PEERS / script, str(rank), ports, folder],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                    env=environment,
                )
            )
            for rank in range(len(PARTIES))
        ]
        for process in self._processes:
            resources.callback(process.kill)
        for process in self._processes:
            self._next(process, "ready")

    def run(self, size: int) -> list[list[float]]:
        """What the three answer to a batch's size: seconds, and whatever else."""
        for process in self._processes:
            print(size, file=process.stdin, flush=True)
        return [[float(word) for word in self._next(process).split()] for process in self._processes]

    def seconds(self, size: int) -> float:
        """How long the slowest of the three took."""
        return max(answer[0] for answer in self.run(size))

    def _next(self, process: subprocess.Popen, expected: str | None = None) -> str:
        for line in process.stdout:
            if not line.startswith("["):  # the engine's own log
                assert expected in (None, line.strip()), line
                return line
        raise RuntimeError(f"{process.args} ended with {process.wait()}")


def trained_network():
    """The network after one epoch, and the test images."""
    import keras

    keras.utils.set_random_seed(1)
    (x_train, y_train), (x_test, _y_test) = mnist.load_data()
    x_train, x_test = (images[..., None] / np.float32(255) for images in (x_train, x_test))
    layers = keras.layers
    model = keras.Sequential([keras.Input((28, 28, 1))])
    for filters in (10, 32, 64):
        model.add(layers.Conv2D(filters, 3))
        model.add(layers.AveragePooling2D(2))
        model.add(layers.ReLU())
    model.add(layers.Flatten())
    model.add(layers.Dense(10))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x_train, y_train, batch_size=128, epochs=1, verbose=0)
    return model, x_test


def write_inputs(compiled: CompiledModel, images: np.ndarray, expected: np.ndarray, folder: Path) -> None:
    """What the peers run on: programs, shares for the engine, images and weights in the clear for CrypTen."""
    np.savez(folder / "weights.npz", **{str(each): weight for each, weight in enumerate(compiled.weights)})
    weights = [engine.make_shares(weight) for weight in compiled.weights]
    for rank in range(len(PARTIES)):
        named = {f"weight-{each}": shares[rank] for each, shares in enumerate(weights)}
        np.savez(folder / f"weights-{rank}.npz", **named)
    for size in SIZES:
        (folder / f"program-{size}").write_bytes(compiled.programs[size])
        np.save(folder / f"images-{size}.npy", images[:size])
        np.save(folder / f"expected-{size}.npy", expected[:size])
        for rank, share in enumerate(engine.make_shares(images[:size])):
            np.save(folder / f"input-{size}-{rank}.npy", share)


def client_for(size: int, cluster: TFECluster) -> TFEWorker:
    """A client for batches of one size."""
    client = TFEWorker()
    client.connect_to_model((size, 28, 28, 1), (size, 10), cluster)
    return client


def query_seconds(client: TFEWorker, images: np.ndarray) -> float:
    """How long one whole query takes."""
    start = time.perf_counter()
    client.query_model(images)
    return time.perf_counter() - start


def in_turns(actions: Sequence, runs: int) -> list[float]:
    """The median seconds of each of `actions`, which take turns; the first turn does not count."""
    turns = [[action() for action in actions] for _run in range(runs + 1)][1:]
    return [statistics.median(seconds) for seconds in zip(*turns, strict=True)]


def agreement(client: TFEWorker, images: np.ndarray, expected: np.ndarray) -> tuple[int, float]:
    """How often the argmax is that of `expected`, and the largest error of a logit."""
    size = 100
    batches = [client.query_model(images[start : start + size]) for start in range(0, len(images), size)]
    logits = np.concatenate(batches)
    same = (logits.argmax(axis=1) == expected.argmax(axis=1)).sum()
    return int(same), float(np.abs(logits - expected).max())


def main() -> None:
    """Measure, print, and exit non-zero where a claim does not hold."""
    model, images = trained_network()
    images = np.ascontiguousarray(images[:AGREEMENT_IMAGES])
    expected = model.predict(images, batch_size=250, verbose=0)
    compiled = compile_model(model, SIZES)
    with contextlib.ExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="course-mpc-")))
        write_inputs(compiled, images, expected, folder)
        bare = Peer(sys.executable, "spu_party.py", folder, resources)
        crypten = Peer(crypten_python(), "crypten_party.py", folder, resources)
        cluster = resources.enter_context(TFECluster(TFEWorker(), TFEWorker(), TFEWorker()))
        SharedModel(compiled, cluster).serve()
        seconds, costs = {}, {}
        for size in SIZES:
            client, batch = client_for(size, cluster), images[:size]
            actions = [lambda c=client, b=batch: query_seconds(c, b), lambda s=size: bare.seconds(s)]
            if size in COMPARED:
                actions.append(lambda s=size: crypten.seconds(s))
            seconds[size] = in_turns(actions, RUNS[size])
            costs[size] = client.costs
        crypten_error = max(answer[1] for answer in crypten.run(64))
        same, error = agreement(client_for(100, cluster), images, expected)

    print_table(
        (
            "images",
            "query s",
            "bare engine s",
            "CrypTen s",
            "per image ms",
            *(f"{p} sends kB" for p in PARTIES),
        ),
        [
            (
                size,
                *(f"{each:.3f}" for each in (*seconds[size], float("nan"))[:3]),
                f"{seconds[size][0] / size * 1000:.1f}",
                *(f"{costs[size][party].sent_bytes / 1000:.0f}" for party in PARTIES),
            )
            for size in SIZES
        ],
    )
    print(f"CrypTen's largest error over 64 images is {crypten_error:.0e}, ours over 1,000 is {error:.0e}.")
    (query, engine_alone, other), (query_64, engine_alone_64, other_64) = (seconds[size] for size in COMPARED)
    finish(
        [
            Claim("a query's time over the bare engine's, 1 image", query / engine_alone, 1.3, False),
            Claim("a query's time over the bare engine's, 64 images", query_64 / engine_alone_64, 1.3, False),
            Claim("times faster than CrypTen, 1 image", other / query, 2, True),
            Claim("times faster than CrypTen, 64 images", other_64 / query_64, 1, True),
            Claim("largest error of a logit over 1,000 images", error, 1e-3, False),
            Claim("images of 1,000 with Keras's argmax", same, 999, True),
        ]
    )


if __name__ == "__main__":
    main()
