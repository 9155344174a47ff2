"""The network of the lessons: its images, its weights on the disk, and which weights it gets."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

from course_lib.data import mnist
from course_lib.mpc import digits


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A learner's folder with nothing in it."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def quick_training(monkeypatch):
    """Weights of nobody's training, in place of `train_digits`; the list says with which seeds."""
    asked, shapes = [], [weights.shape for weights in digits.build_network().get_weights()]

    def train(seed):
        asked.append(seed)
        return {f"weight_{place}": np.full(shape, place / 8) for place, shape in enumerate(shapes)}

    monkeypatch.setattr(digits, "train_digits", train)
    return asked


def test_images_become_what_the_network_wants():
    images = mnist.load_data()[1][0][:3]
    scaled = digits.scale_images(images)
    assert scaled.shape == (3, 28, 28, 1) and scaled.dtype == np.float32
    assert scaled.min() == 0 and scaled.max() == 1
    np.testing.assert_array_equal(np.round(scaled[..., 0] * 255), images)


@pytest.mark.parametrize(
    "images", [np.zeros((28, 28), np.uint8), np.zeros((1, 28, 28)), np.zeros((1, 27, 28), np.uint8)]
)
def test_other_images_are_refused(images):
    with pytest.raises(ValueError, match="Images of uint8, shape .n, 28, 28., were expected"):
        digits.scale_images(images)


def test_without_own_weights_the_courses_training_is_used(home, quick_training, capsys):
    network = digits.trained_network()
    assert quick_training == [digits.SEED]
    assert [array.flat[0] for array in network.get_weights()] == [place / 8 for place in range(8)]
    assert "that you trained" not in capsys.readouterr().out


def test_own_weights_are_used_and_said_to_be(home, quick_training, capsys):
    own = digits.build_network()
    path = digits.save_weights(own)
    assert path == digits.weights_path() and list(home.iterdir()) == [path]
    found = digits.trained_network()  # its layers have other names by now
    for ours, theirs in zip(own.get_weights(), found.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert quick_training == []
    assert capsys.readouterr().out.startswith("↻ ")


def test_saving_again_replaces_what_was_saved(home):
    digits.save_weights(digits.build_network())
    own = digits.build_network()
    digits.save_weights(own)
    np.testing.assert_array_equal(digits.trained_network().get_weights()[0], own.get_weights()[0])
    assert [path.name for path in home.iterdir()] == ["digits.weights.h5"]


def test_a_save_that_fails_leaves_the_old_weights(home):
    path = digits.save_weights(digits.build_network())
    before = path.read_bytes()

    class Failing:
        def save_weights(self, path):
            path.write_bytes(b"half of")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        digits.save_weights(Failing())
    assert path.read_bytes() == before and list(home.iterdir()) == [path]


def another_network(path):
    keras = digits.tensorflow().keras
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).save_weights(path)


def another_width(path):
    keras = digits.tensorflow().keras
    layers = keras.layers
    network = keras.Sequential([keras.Input((28, 28, 1))])
    for filters in (11, 32, 64):
        for layer in (layers.Conv2D(filters, 3), layers.AveragePooling2D(2), layers.ReLU()):
            network.add(layer)
    network.add(layers.Flatten())
    network.add(layers.Dense(10))
    network.save_weights(path)


def half_a_file(path):
    digits.build_network().save_weights(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def no_numbers(path):
    network = digits.build_network()
    network.set_weights([np.full(array.shape, np.nan) for array in network.get_weights()])
    network.save_weights(path)


@pytest.mark.parametrize(
    "write", [another_network, another_width, half_a_file, no_numbers, lambda path: path.write_text("no")]
)
def test_weights_that_do_not_fit_are_told_and_not_used(home, quick_training, capsys, write):
    write(digits.weights_path())
    with pytest.warns(digits.WeightsWarning, match=r"digits\.weights\.h5 .* are not used"):
        network = digits.trained_network()
    assert quick_training == [digits.SEED]
    assert [array.flat[0] for array in network.get_weights()] == [place / 8 for place in range(8)]
    assert "that you trained" not in capsys.readouterr().out


def run(code: str) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120
    )


def test_tensorflow_comes_without_its_notes_and_only_when_needed():
    code = (
        "import sys; from course_lib.mpc import digits; print('tensorflow' in sys.modules)\n"
        "tf = digits.tensorflow(); print(float(tf.ones(2)[0] + 1)); print('heard', file=sys.stderr)"
    )
    ended = run(code)
    assert ended.stdout.split() == ["False", "2.0"] and ended.stderr == "heard\n"


def test_what_tensorflow_wrote_is_shown_where_its_import_fails():
    code = (
        "import os, sys\n"
        "from course_lib.mpc import digits\n"
        "class Broken:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'tensorflow':\n"
        "            os.write(2, b'why it failed\\n')\n"
        "            raise ImportError('no such thing')\n"
        "sys.meta_path.insert(0, Broken())\n"
        "digits.tensorflow()"
    )
    ended = run(code)
    assert ended.returncode == 1
    assert ended.stderr.startswith("why it failed\n") and "ImportError: no such thing" in ended.stderr


def test_nothing_is_warned_of_where_all_is_well(home, quick_training):
    with warnings.catch_warnings():
        warnings.simplefilter("error", digits.WeightsWarning)
        digits.trained_network()
