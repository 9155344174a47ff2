"""What the prose of lesson 09_private_prediction_serve states: each number and each comparison."""

import inspect

import numpy as np
import pytest

pytest.importorskip("spu", reason="the engine of the three parties has no build for this machine")

import course_lib.mpc as sy
from claims.lesson_text import LessonText
from course_lib.data import mnist
from course_lib.mpc import classroom, digits, engine, recordings
from course_lib.mpc.sharing import FRACTION_BITS, decode, encode, open_shares

stated = LessonText("09_private_prediction_serve").stated


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home in which no weights of somebody else's are saved."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def model(home):
    return digits.trained_network()


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    return tmp_path_factory.mktemp("record")


@pytest.fixture(scope="module")
def cluster(home, record):
    cluster = sy.TFECluster(sy.TFEWorker(), sy.TFEWorker(), sy.TFEWorker())
    cluster.start(record=record)
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def shared(model, cluster):
    return sy.share(model, cluster)


def test_the_network_and_its_shares_are_as_large_as_the_prose_says(model, shared, record):
    stated("three convolutions with average pooling and ReLU, and a linear layer")
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == ["Conv2D", "AveragePooling2D", "ReLU"] * 3 + ["Flatten", "Dense"]
    stated("with 22,158 weights in eight arrays")
    assert len(model.weights) == 8
    stated("A party stores 354,528 bytes for our 22,158 weights, four times as many as the weights have")
    assert model.count_params() == 22_158
    files = list((record / "alice").glob("*-weight-*.npy"))
    assert sum(np.load(file).nbytes for file in files) == 354_528
    assert sum(weight.numpy().nbytes for weight in model.weights) * 4 == 354_528
    stated("their shares of the first convolution's ten small kernels")
    assert model.weights[0].shape == (3, 3, 1, 10)


def test_shares_are_noise_and_their_sum_is_exact(model, shared, record):
    stated("The second of alice is the first of bob, and so on around.")
    kernels = recordings.recorded(record, "weight-0")
    for rank in range(3):
        assert (kernels[rank][..., 1] == kernels[(rank + 1) % 3][..., 0]).all()
    stated("modulo $2^{64}$ and with 18 bits after the point")
    stated("and divide by $2^{18}$: that is the weight")
    assert FRACTION_BITS == engine.FRACTION_BITS == 18
    stated("for the largest array of weights")
    weights = [weight.numpy() for weight in model.weights]
    assert max(range(8), key=lambda index: weights[index].size) == 4
    largest = recordings.recorded(record, "weight-4")
    assert np.abs(decode(open_shares(largest)) - weights[4]).max() <= 2**-18
    stated("It lets uniform bytes fail once in a million times.")
    assert recordings._CHANCE == 1e-6
    stated("All three parties' shares pass.")
    assert all(map(recordings.looks_uniform, largest))
    stated("encoded but not shared, do *not* pass")
    assert not recordings.looks_uniform(encode(weights[4]))


def test_answers_are_those_of_keras(model, shared, cluster):
    stated("The same digit for all 64, and no logit is off by 0.001 or more.")
    _train, (x_test, _y_test) = mnist.load_data()
    images = digits.scale_images(x_test[:64])
    shared.serve()
    client = sy.TFEWorker()
    client.connect_to_model((64, 28, 28, 1), (64, 10), cluster)
    private, in_the_open = client.query_model(images), model.predict(images, verbose=0)
    assert (private.argmax(axis=1) == in_the_open.argmax(axis=1)).all()
    assert np.abs(private - in_the_open).max() < 1e-3


def test_a_partys_process_takes_some_hundred_megabytes(shared):
    stated("its process takes some hundred megabytes of memory")
    for process in classroom.running_parties().values():
        assert 100e6 < process.memory_info().rss < 900e6


def test_the_names_of_syft_keras():
    stated('`sy.TFEWorker(host="localhost:4000", auto_managed=True)` | the same')
    assert list(inspect.signature(sy.TFEWorker).parameters) == ["host", "auto_managed"]
    assert sy.TFEWorker().host is None and sy.TFEWorker().auto_managed is True
    stated("`KerasHook` gives Keras models the methods `share`, `serve`, `stop` and `shutdown_workers`")
    tf = digits.tensorflow()
    names = ("share", "serve", "stop", "shutdown_workers")
    assert not any(hasattr(tf.keras.Model, name) for name in names)
    hook = sy.KerasHook(tf.keras)
    assert all(hasattr(tf.keras.Model, name) for name in names)
    hook.remove()


def test_the_ranges_of_numbers():
    stated("What is shared may be up to ±1,048,576")
    assert engine.LARGEST_VALUE == 1_048_576
    stated("has to stay below $2^{26}$, about 67 million")
    assert round(2**26 / 1e6) == 67


def test_beyond_this_machine_nothing_goes_without_certificates():
    stated("Beyond this machine, parties refuse to talk without TLS.")
    hosts = ("alice.example:4000", "bob.example:4000", "carol.example:4000")
    workers = [sy.TFEWorker(host, auto_managed=False) for host in hosts]
    with pytest.raises(ValueError, match="the parties want credentials"):
        sy.TFECluster(*workers).start()


def test_closing_waits_ten_minutes_at_most():
    stated("it waits until that notebook has left (ten minutes at most;")
    assert classroom.SECONDS_TO_LEAVE == 600
