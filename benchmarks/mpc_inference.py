"""A convolutional network on MNIST among three parties: ours beside the bare engine and beside CrypTen.

The network is the lessons' (three convolutions with average pooling and ReLU, 22,158 weights, trained as
there). Ours is a whole query, from an image in the client's process to logits there. The bare engine, SPU
0.9.5, runs the same program on shares that lie ready in its processes. CrypTen 0.4.1, in an environment of
its own under .cache/ (made when it is not there: PyTorch 2.2, whose build for GPUs takes 5 GB where the one
for CPUs can't be reached), computes from a secret image to opened logits, with its trusted first party. All
three run in three processes on this machine, one thread each, and take turns, so that what else happens here
happens to all of them.

A second cluster of ours has relays between its parties that hold back each packet for 20 ms: how much longer
a query takes there is compared with lesson 10's estimate, one party's messages times latency.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import uv

from benchmarks.mpc_peers.far_apart import FarApartCluster
from benchmarks.report import Claim, finish, print_table
from course_lib.data import mnist
from course_lib.mpc import SharedModel, TFECluster, TFEWorker, digits, engine
from course_lib.mpc.compilation import CompiledModel, compile_model
from course_lib.mpc.costs import Cost
from course_lib.mpc.spec import PARTIES
from course_lib.processes import free_port

PEERS = Path(__file__).parent / "mpc_peers"
CRYPTEN = Path(__file__).parent.parent / ".cache" / "crypten"
SIZES = (1, 4, 16, 64, 256)
COMPARED = (1, 64)
RUNS = {1: 31, 4: 11, 16: 11, 64: 9, 256: 5}
AGREEMENT_IMAGES = 1000
LATENCY = 0.020
FAR_RUNS = 7


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
                    start_new_session=True,  # as our parties: Linux shares out its cores among sessions
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
    """The lessons' network, and the first test images."""
    network = digits.build_network()
    with contextlib.redirect_stdout(sys.stderr):  # that the weights were found again is no measurement
        network.set_weights(list(digits.train_digits().values()))
    return network, digits.scale_images(mnist.load_data()[1][0][:AGREEMENT_IMAGES])


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


def in_turns(actions: Sequence[Callable[[], float]], runs: int) -> np.ndarray:
    """The seconds that `actions` say, which take turns: (runs, actions), without the first turn."""
    return np.array([[action() for action in actions] for _run in range(runs + 1)][1:])


def ratio(turns: np.ndarray, one: int, other: int) -> float:
    """How many times as long `one` takes as `other`: the median over the turns, each of which has both."""
    return float(np.median(turns[:, one] / turns[:, other]))


def far_apart(
    near: TFECluster, far: TFECluster, images: np.ndarray, sizes: Sequence[int]
) -> dict[int, tuple[float, float]]:
    """By a batch's size: the seconds that a query takes longer far apart, and the estimate."""
    waits = {}
    for size in sizes:
        clients = [client_for(size, cluster) for cluster in (near, far)]
        actions = [lambda c=client, b=images[:size]: query_seconds(c, b) for client in clients]
        turns = in_turns(actions, FAR_RUNS)
        messages = max(cost.messages for cost in clients[1].costs.values())
        waits[size] = float(np.median(turns[:, 1] - turns[:, 0])), messages * LATENCY
    return waits


def off(measured: float, estimate: float) -> float:
    """How far an estimate is off, as a part of it.

    >>> off(1.5, 2.0)
    0.25
    """
    return abs(measured / estimate - 1)


def agreement(cluster: TFECluster, images: np.ndarray, expected: np.ndarray) -> tuple[int, float]:
    """How often the argmax is that of `expected`, and the largest error of a logit."""
    client = client_for(250, cluster)
    logits = np.concatenate([client.query_model(batch) for batch in np.split(images, len(images) // 250)])
    same = (logits.argmax(axis=1) == expected.argmax(axis=1)).sum()
    return int(same), float(np.abs(logits - expected).max())


def print_sizes(turns: dict[int, np.ndarray], costs: dict[int, dict[str, Cost]]) -> None:
    """The times of each batch's size, and what each party sent for the last query of that size."""
    header = ("images", "query s", "bare engine s", "CrypTen s", "a query's ms per image")
    rows = []
    for size, measured in turns.items():
        medians = list(np.median(measured, axis=0))
        sent = [costs[size][party].sent_bytes for party in PARTIES]
        rows.append(
            (
                size,
                *(f"{seconds:.3f}" for seconds in medians),
                *[""] * (3 - len(medians)),
                f"{medians[0] / size * 1000:.1f}",
                *(f"{each / 1000:,.0f}" for each in (*sent, sum(sent))),
            )
        )
    print_table((*header, *(f"{party} sends kB" for party in PARTIES), "all send kB"), rows)


def main() -> None:
    """Measure, print, and exit non-zero where a claim does not hold."""
    model, images = trained_network()
    expected = model.predict(images, batch_size=250, verbose=0)
    compiled = compile_model(model, SIZES)
    with contextlib.ExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="course-mpc-")))
        write_inputs(compiled, images, expected, folder)
        bare = Peer(sys.executable, "spu_party.py", folder, resources)
        crypten = Peer(crypten_python(), "crypten_party.py", folder, resources)
        cluster = resources.enter_context(TFECluster(TFEWorker(), TFEWorker(), TFEWorker()))
        far = resources.enter_context(FarApartCluster(TFEWorker(), TFEWorker(), TFEWorker(), latency=LATENCY))
        for each in (cluster, far):
            SharedModel(compiled, each).serve()
        turns, costs = {}, {}
        for size in SIZES:
            client, batch = client_for(size, cluster), images[:size]
            actions = [lambda c=client, b=batch: query_seconds(c, b), lambda s=size: bare.seconds(s)]
            if size in COMPARED:
                actions.append(lambda s=size: crypten.seconds(s))
            turns[size] = in_turns(actions, RUNS[size])
            costs[size] = client.costs
        waits = far_apart(cluster, far, images, COMPARED)
        crypten_error = max(answer[1] for answer in crypten.run(64))
        same, error = agreement(cluster, images, expected)
    print_sizes(turns, costs)
    print(f"CrypTen's largest error over 64 images is {crypten_error:.0e}, ours over 1,000 is {error:.0e}.")
    for size, (waited, estimate) in waits.items():
        print(
            f"Images: {size}. 20 ms apart, a query takes {waited:.2f} s longer; estimated: {estimate:.2f} s."
        )
    finish(
        [
            Claim("a query's time over the bare engine's, 1 image", ratio(turns[1], 0, 1), 1.3, False),
            Claim("a query's time over the bare engine's, 64 images", ratio(turns[64], 0, 1), 1.3, False),
            Claim("times faster than CrypTen, 1 image", ratio(turns[1], 2, 0), 2, True),
            Claim("times faster than CrypTen, 64 images", ratio(turns[64], 2, 0), 1, True),
            *(
                Claim(f"how far off lesson 10's estimate for 20 ms is, {size} images", off(*wait), 0.3, False)
                for size, wait in waits.items()
            ),
            Claim("largest error of a logit over 1,000 images", error, 5e-3, False),
            Claim("images of 1,000 with Keras's argmax", same, 999, True),
        ]
    )


if __name__ == "__main__":
    main()
