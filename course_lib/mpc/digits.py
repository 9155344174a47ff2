"""The network of the lessons on private prediction: ten digits, trained in the open with Keras.

Promises: the network, its training and the scaling of images are those of the lesson that trains it; training
is done once and found again; weights are saved whole or not at all, as numbers without code. Keras is
imported by the functions that need it, since who only asks about digits does without TensorFlow.
Leaves out privacy: whoever trains sees the images, and nothing here has been shared yet.
"""

import contextlib
import math
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import platformdirs
from tqdm import tqdm

from course_lib.cache import cached
from course_lib.data import mnist
from course_lib.i18n import _

if TYPE_CHECKING:
    import keras

#: The seed of the lessons' own training.
SEED = 1


class WeightsWarning(UserWarning):
    """The learner's own weights could not be used."""


def scale_images(images: np.ndarray) -> np.ndarray:
    """Images of uint8, shape (n, 28, 28), as the network wants them: float32 (n, 28, 28, 1), from 0 to 1.

    Raises ValueError for another shape or type.

    >>> scale_images(np.full((2, 28, 28), 255, dtype=np.uint8)).max(axis=(1, 2, 3))
    array([1., 1.], dtype=float32)
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (28, 28):
        raise ValueError(
            _("Images of uint8, shape (n, 28, 28), were expected, but {dtype} {shape} came.").format(
                dtype=images.dtype, shape=images.shape
            )
        )
    return images[..., np.newaxis] / np.float32(255)


def build_network() -> "keras.Sequential":
    """The network, not trained: (n, 28, 28, 1) in, ten logits for each image out.

    >>> network = build_network()
    >>> network.output_shape, network.count_params()
    ((None, 10), 22158)
    """
    keras = tensorflow().keras
    layers = keras.layers
    network = keras.Sequential([keras.Input((28, 28, 1))])
    for filters in (10, 32, 64):
        start = keras.initializers.Orthogonal(gain=2)
        network.add(layers.Conv2D(filters, 3, kernel_initializer=start))
        network.add(layers.AveragePooling2D(2))
        network.add(layers.ReLU())
    network.add(layers.Flatten())
    network.add(layers.Dense(10))
    return network


@cached
def train_digits(seed: int = SEED) -> dict[str, np.ndarray]:
    """Train on MNIST's 60,000 training images, two epochs; the weights by name, in the network's order.

    Optimiser and start were chosen on 10,000 of the training images, kept out for that; the test images
    decided nothing. The random numbers of Keras and NumPy's global ones are seeded. Shows its progress.
    """
    keras = tensorflow().keras
    keras.utils.set_random_seed(seed)
    (images, labels), _test = mnist.load_data()
    steps = 2 * math.ceil(len(images) / 64)
    warmup = steps // 10
    rate = keras.optimizers.schedules.CosineDecay(
        0.001, warmup_target=0.02, warmup_steps=warmup, decay_steps=steps - warmup, alpha=0.1
    )
    network = build_network()
    network.compile(
        optimizer=keras.optimizers.Adam(rate, beta_2=0.99, use_ema=True),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    for epoch in (1, 2):
        order, title = np.random.permutation(len(images)), _("epoch {epoch}").format(epoch=epoch)
        for start in tqdm(range(0, len(images), 64), desc=title, file=sys.stdout):
            chosen = order[start : start + 64]
            network.train_on_batch(scale_images(images[chosen]), labels[chosen])
    network.optimizer.finalize_variable_values(network.trainable_weights)  # the averages
    return {f"weight_{place}": weights for place, weights in enumerate(network.get_weights())}


def trained_network() -> "keras.Sequential":
    """The network with the learner's own weights where they are saved, else with those of `train_digits`.

    Prints which. Warns, and goes on with those of `train_digits`, where the saved weights are damaged or of
    another network.
    """
    network = build_network()
    path = weights_path()
    if path.exists():
        try:
            network.load_weights(path)
            if not all(np.isfinite(weights).all() for weights in network.get_weights()):
                raise ValueError(_("Finite values were expected, but NaN or infinity came."))
        except (ValueError, OSError, KeyError) as error:
            reason = str(error).strip().partition("\n")[0]
            wrong = _("The weights in {path} do not fit the network, and are not used: {reason}")
            warnings.warn(wrong.format(path=path, reason=reason), WeightsWarning, stacklevel=2)
        else:
            print("↻ " + _("The network has the weights that you trained and saved on this machine."))
            return network
    network.set_weights(list(train_digits(seed=SEED).values()))
    return network


def save_weights(network: "keras.Sequential") -> Path:
    """Save the weights where `trained_network` looks for them, whole or not at all; return where."""
    path = weights_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        new = Path(folder) / path.name
        network.save_weights(new)
        os.replace(new, path)
    return path


def weights_path() -> Path:
    """Where the learner's own weights are: in the folder `COURSE_HOME`, else in the user's data folder."""
    home = os.environ.get("COURSE_HOME") or platformdirs.user_data_dir("course-lib", appauthor=False)
    return Path(home) / "digits.weights.h5"


def tensorflow() -> ModuleType:
    """TensorFlow, imported without the lines that it writes about the processor and missing GPUs.

    It writes them before anybody can ask it not to, past Python, at its import and its first operation. If
    either fails, what it wrote is shown.

    >>> tensorflow().keras.__name__
    'keras._tf_keras.keras'
    """
    if "tensorflow" in sys.modules:
        return sys.modules["tensorflow"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # for what its compiler writes later
    with _held_back_errors():
        import tensorflow

        tensorflow.zeros(1) + 1
    return tensorflow


@contextlib.contextmanager
def _held_back_errors() -> Iterator[None]:
    """What this process writes to its error output meanwhile is shown only if the block fails."""
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            held_back.seek(0)
            os.write(stderr, held_back.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
