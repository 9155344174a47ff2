"""Keras models among three parties: the network of the lessons, others, and those that can't be shared."""

import threading
import time
import warnings

import numpy as np
import pytest

import mpc_parts
from course_lib import mpc
from course_lib.data import mnist
from course_lib.mpc import KerasHook, TFEWorker
from course_lib.mpc.compilation import BATCH_SIZES, compile_model

cluster = mpc_parts.cluster


@pytest.fixture(scope="module")
def keras():
    import keras

    keras.utils.set_random_seed(0)
    return keras


@pytest.fixture(scope="module")
def network(keras):
    """The network of the lessons, not trained."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            *(
                layer
                for filters in (10, 32, 64)
                for layer in (layers.Conv2D(filters, 3), layers.AveragePooling2D(2), layers.ReLU())
            ),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )


@pytest.fixture
def hook(keras):
    import tensorflow as tf

    hook = KerasHook(tf.keras)
    yield hook
    hook.remove()


def dense(keras, *, inputs: int = 4, batch_size: int | None = None, **options):
    return keras.Sequential([keras.Input((inputs,), batch_size=batch_size), keras.layers.Dense(3, **options)])


def test_code_written_for_syft_keras(cluster, network, hook):
    """share, serve(num_requests) that waits, a client in the meantime, stop, shutdown_workers."""
    images = mnist.load_data()[1][0][:3, ..., None].astype(np.float32) / 255
    network.share(cluster)
    serving = threading.Thread(target=network.serve, kwargs={"num_requests": 3})
    serving.start()
    client = TFEWorker()
    client.connect_to_model((1, 28, 28, 1), (1, 10), cluster)
    for image in images:
        logits = ask_until_served(client, image[None])
        assert logits.shape == (1, 10)
        assert np.abs(logits - network.predict(image[None], verbose=0)).max() < 1e-3
    serving.join(mpc_parts.BOUND)
    assert not serving.is_alive()
    with pytest.raises(RuntimeError, match="no longer served: it has answered the 3 requests"):
        client.query_model(images[:1])
    network.stop()
    network.stop()


def ask_until_served(client: TFEWorker, image: np.ndarray) -> np.ndarray:
    """The answer, as soon as the other thread lets the parties serve."""
    deadline = time.monotonic() + mpc_parts.PATIENCE
    while True:
        try:
            return client.query_model(image)
        except RuntimeError as error:
            if "not served yet" not in str(error) or time.monotonic() > deadline:
                raise


def test_shutting_down_the_workers_stops_the_cluster(keras, hook):
    model = dense(keras)
    model.shutdown_workers()  # harmless where nothing is shared
    cluster = mpc_parts.new_cluster()
    cluster.start()
    processes = mpc_parts.parties(cluster)
    model.share(cluster)
    model.serve()
    model.stop()
    model.shutdown_workers()
    model.shutdown_workers()
    assert not [process for process in processes if mpc_parts.alive(process)]
    with pytest.raises(RuntimeError, match="not shared"):
        model.serve()


def test_the_hook_is_for_all_models_and_goes_away(keras, cluster):
    hook = KerasHook(keras)
    for model in (dense(keras), keras.Model(inputs := keras.Input((2,)), inputs)):
        with pytest.raises(RuntimeError, match="not shared"):
            model.serve()
    hook.remove()
    hook.remove()
    assert not hasattr(keras.Model, "share")


def test_the_same_without_the_hook(cluster, network):
    shared = mpc.share(network, cluster)
    assert shared.spec.batch_sizes == BATCH_SIZES
    shared.serve()
    images = mnist.load_data()[1][0][:20, ..., None] / 255.0
    client = TFEWorker()
    client.connect_to_model(images.shape, (20, 10), cluster)
    expected = network.predict(images, verbose=0)
    logits = client.query_model(images)
    assert np.abs(logits - expected).max() < 1e-3
    assert (logits.argmax(axis=1) == expected.argmax(axis=1)).all()
    shared.stop()


def test_a_model_with_a_batch_size_of_its_own(keras, cluster):
    model = dense(keras, batch_size=5)
    shared = mpc.share(model, cluster)
    assert shared.spec.batch_sizes == (5,)
    shared.serve()
    client = TFEWorker()
    client.connect_to_model((5, 4), (5, 3), cluster)
    values = np.random.default_rng(0).normal(size=(5, 4))
    assert np.abs(client.query_model(values) - model.predict(values, verbose=0)).max() < 1e-4
    with pytest.raises(ValueError, match="batches of 5 alone"):
        mpc.share(model, cluster, batch_sizes=(1, 5))


def test_other_layers(keras, cluster):
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, activation="gelu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Dropout(0.5),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    shared = mpc.share(model, cluster, batch_sizes=(2,))
    shared.serve()
    client = TFEWorker()
    client.connect_to_model((2, 8, 8, 3), (2, 3), cluster)
    values = np.random.default_rng(0).random((2, 8, 8, 3))
    assert np.abs(client.query_model(values) - model.predict(values, verbose=0)).max() < 0.01


def test_what_is_no_model_for_three_parties(keras):
    layers = keras.layers
    two = [keras.Input((2,)), keras.Input((2,))]
    refused = {
        "one input was expected, but 2": keras.Model(two, layers.Add()(two)),
        "one output was expected, but 2": keras.Model(two[0], [two[0], layers.ReLU()(two[0])]),
        "one input was expected, but 0": keras.Sequential([layers.Dense(3)]),
        "the model has int32": keras.Sequential([keras.Input((2,), dtype="int32"), layers.Embedding(3, 2)]),
        "All lengths but": keras.Sequential([keras.Input((None, 2)), layers.LSTM(2)]),
        "can't run the model": keras.Sequential(
            [keras.Input((4,)), layers.Lambda(lambda values: singular_values(values))]
        ),
        "NaN or infinity": dense(keras, kernel_initializer=keras.initializers.Constant(float("nan"))),
        "Values up to": dense(keras, kernel_initializer=keras.initializers.Constant(1e9)),
        "at most 16777216 elements": dense(keras, inputs=6_000_000),
    }
    for sentence, model in refused.items():
        with pytest.raises(ValueError, match=sentence):
            compile_model(model, (1,))
    for wrong in ("no model", None, 5):
        with pytest.raises(ValueError, match="one input was expected"):
            compile_model(wrong)


def singular_values(values):
    import tensorflow as tf

    return tf.linalg.svd(tf.reshape(values, (-1, 2, 2)))[0]


def test_a_model_that_leaves_the_fixed_point_range_is_told(keras, capfd):
    large = keras.initializers.Constant(5000.0)
    model = keras.Sequential(
        [keras.Input((8,)), *(keras.layers.Dense(8, kernel_initializer=large) for _layer in range(2))]
    )
    with pytest.warns(UserWarning, match="is off by"):
        compile_model(model, (1,))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compile_model(dense(keras), (1,))
    assert capfd.readouterr().out == ""  # a notebook's output is its own, whatever the engine has to say
