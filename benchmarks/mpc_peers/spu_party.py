"""One of three processes with the bare engine, SPU 0.9.5 with ABY3: a link, a program, shares, and no more.

    python spu_party.py RANK PORTS FOLDER

For each line on standard input, a batch's size, it runs the network once on the shares in FOLDER and answers
with the seconds that took.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np


def wrapped(share: np.ndarray):
    """A share, uint64 of shape (*shape, 2), as the engine takes it."""
    from spu import libspu

    meta, chunk, whole = libspu.ValueMeta(), libspu.ValueChunk(), libspu.Share()
    meta.data_type, meta.visibility = libspu.DataType.DT_F32, libspu.Visibility.VIS_SECRET
    meta.shape, meta.storage_type = list(share.shape[:-1]), "aby3.AShr<FM64>"
    chunk.total_bytes, chunk.chunk_offset, chunk.content = share.nbytes, 0, share.tobytes()
    whole.meta, whole.share_chunks = meta.SerializeToString(), [chunk.SerializeToString()]
    return whole


def main(rank: int, ports: list[int], folder: Path) -> None:
    """Answer each line until there are none."""
    import spu
    from spu import libspu

    link = libspu.link.Desc()
    link.connect_retry_times, link.connect_retry_interval_ms = 100, 200
    for other, port in enumerate(ports):
        link.add_party(str(other), f"127.0.0.1:{port}")
    config = libspu.RuntimeConfig(
        protocol=libspu.ProtocolKind.ABY3, field=libspu.FieldType.FM64, fxp_fraction_bits=18
    )
    together = libspu.link.create_brpc(link, rank)
    runtime = spu.Runtime(together, config)
    with np.load(folder / f"weights-{rank}.npz") as weights:
        names = list(weights)
        for name in names:
            runtime.set_var(name, wrapped(weights[name]))
    print("ready", flush=True)
    for line in sys.stdin:
        size = int(line)
        runtime.set_var("input", wrapped(np.load(folder / f"input-{size}-{rank}.npy")))
        program = libspu.Executable(
            name="model",
            input_names=["input", *names],
            output_names=["output"],
            code=(folder / f"program-{size}").read_bytes(),
        )
        together.barrier()  # none waits, while its time is taken, for one that still reads its files
        start = time.perf_counter()
        runtime.run(program)
        print(time.perf_counter() - start, flush=True)
    os._exit(0)  # the engine's link would wait for those that have ended


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(port) for port in sys.argv[2].split(",")], Path(sys.argv[3]))
