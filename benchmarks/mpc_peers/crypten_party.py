"""One of three processes with CrypTen 0.4.1: the same network, its weights those of rank 0, images of rank 1.

    python crypten_party.py RANK PORTS FOLDER

It runs in an environment of its own, with PyTorch 2.2 and NumPy below 2. For each line on standard input, a
batch's size, it runs the network once on the images in FOLDER, from the secret image to the opened logits,
and answers with the seconds that took and the largest error.
"""

import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np

KERNELS = ("0", "2", "4")  # in the order of Keras's weights: kernel, bias, kernel, bias, ...


def network(weights: dict[str, np.ndarray]):
    """The network with Keras's weights: channels come first here, and last there."""
    import torch

    layers = []
    for kernel, bias in zip(KERNELS, ("1", "3", "5"), strict=True):
        height, width, inputs, outputs = weights[kernel].shape
        layer = torch.nn.Conv2d(inputs, outputs, (height, width))
        layer.weight.data = torch.tensor(weights[kernel].transpose(3, 2, 0, 1).copy())
        layer.bias.data = torch.tensor(weights[bias])
        layers += [layer, torch.nn.AvgPool2d(2), torch.nn.ReLU()]
    dense = torch.nn.Linear(*weights["6"].shape)
    dense.weight.data, dense.bias.data = torch.tensor(weights["6"].T.copy()), torch.tensor(weights["7"])
    return torch.nn.Sequential(*layers, torch.nn.Flatten(), dense)


def main(rank: int, port: int, folder: Path) -> None:
    """Answer each line until there are none."""
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": "3",
        "RENDEZVOUS": f"tcp://127.0.0.1:{port}",
        "DISTRIBUTED_BACKEND": "gloo",
    }
    warnings.filterwarnings("ignore")
    import crypten
    import torch

    torch.set_num_threads(1)
    crypten.init()
    with np.load(folder / "weights.npz") as weights:
        model = crypten.nn.from_pytorch(network(dict(weights)), torch.zeros(1, 1, 28, 28))
    model.encrypt(src=0)
    model.eval()
    print("ready", flush=True)
    for line in sys.stdin:
        size = int(line)
        images = torch.tensor(np.load(folder / f"images-{size}.npy").transpose(0, 3, 1, 2).copy())
        crypten.comm.get().barrier()
        start = time.perf_counter()
        logits = model(crypten.cryptensor(images, src=1)).get_plain_text().numpy()
        seconds = time.perf_counter() - start
        print(seconds, float(np.abs(logits - np.load(folder / f"expected-{size}.npy")).max()), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2].split(",")[0]), Path(sys.argv[3]))
