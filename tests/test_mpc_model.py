"""Keras models among three parties: the network of the lessons, others, and those that can't be shared."""

import threading
import time
import warnings

import numpy as np
import pytest

import mpc_parts
from course_lib import mpc
from course_lib.data import mnist
from course_lib.mpc import KerasHook, TFEWorker, digits, engine
from course_lib.mpc.compilation import BATCH_SIZES, compile_model
from course_lib.mpc.pooling import sum_of_slices
from process_parts import alive

cluster = mpc_parts.cluster


@pytest.fixture(scope="module")
def keras():
    import keras

    keras.utils.set_random_seed(0)
    return keras


@pytest.fixture(scope="module")
def network(keras):
    """The network of the lessons, not trained."""
    return digits.build_network()


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
    images = digits.scale_images(mnist.load_data()[1][0][:3])
    network.share(cluster)
    serving = threading.Thread(target=network.serve, kwargs={"num_requests": 3})
    serving.start()
    client = TFEWorker()
    client.connect_to_model((1, 28, 28, 1), (1, 10), cluster)
    for count, image in enumerate(images):
        assert count == 0 or serving.is_alive()  # it waits until all three are answered
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
    assert not [process for process in processes if alive(process)]
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
    images = digits.scale_images(mnist.load_data()[1][0][:20])
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


def common_models(keras) -> dict[str, tuple]:
    """Models as people build them, by what is special about them."""
    layers, rng = keras.layers, np.random.default_rng(0)
    skipped = layers.Conv2D(4, 3, padding="same", activation="relu")(values := keras.Input((6, 6, 2)))
    joined = layers.Add()([skipped, layers.Conv2D(4, 1)(values)])
    both = layers.Concatenate()([joined, skipped])
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(2, 3), layers.AveragePooling2D(2)])
    normalized = layers.Normalization()
    normalized.adapt(rng.normal(2, 3, size=(50, 4)))
    return {
        "sequential, batch normalization, max pooling, dropout, softmax": (
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(moving_mean_initializer="ones"),
            layers.MaxPooling2D(),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ),
        "functional with a shortcut, global average pooling, sigmoid": keras.Model(
            values, layers.Dense(2, activation="sigmoid")(layers.GlobalAveragePooling2D()(both))
        ),
        "a model within a model, odd sizes, padding": (
            inner,
            layers.ZeroPadding2D(1),
            layers.AveragePooling2D((3, 2), strides=(1, 2)),
            layers.AveragePooling2D(2, padding="same"),
            layers.Flatten(),
            layers.Dense(2, activation="tanh"),
        ),
        "depthwise convolutions, gelu, layer normalization": (
            layers.DepthwiseConv2D(3, strides=2),
            layers.SeparableConv2D(4, 2, activation="gelu"),
            layers.LayerNormalization(),
            layers.LeakyReLU(),
            layers.GlobalMaxPooling2D(),
        ),
        "a table's columns, scaled": keras.Sequential(
            [keras.Input((4,)), normalized, layers.Dense(5, activation="elu"), layers.Rescaling(0.5)]
        ),
        "its own batch size": keras.Sequential(
            [keras.Input((28, 28, 1), batch_size=1), layers.Conv2D(2, 3, strides=3), layers.Flatten()]
        ),
    }


def test_models_in_common_use(keras):
    """Compiled, and run by the parties' protocol between threads: compared with Keras."""
    for name, model in common_models(keras).items():
        if isinstance(model, tuple):
            model = keras.Sequential([keras.Input((8, 8, 3)), *model])
        compiled = compile_model(model, None if "its own" in name else (2,))
        (size,) = compiled.spec.batch_sizes
        values = np.random.default_rng(1).random((size, *model.input_shape[1:]), np.float32)
        expected = np.asarray(model(values, training=False))
        found = engine.run_in_threads(compiled.programs[size], [values, *compiled.weights], expected.shape)
        assert np.abs(found - expected).max() < 0.01, name


def test_average_pooling_becomes_sums_and_the_model_stays_as_it_was(keras, network):
    images = np.random.default_rng(0).random((2, 28, 28, 1), np.float32)
    before = np.asarray(network(images))
    compiled = compile_model(network, (2,))
    assert b"convolution" in compiled.programs[2] and b"reduce_window" not in compiled.programs[2]
    assert not [layer for layer in network.layers if "call" in vars(layer)]
    assert (np.asarray(network(images)) == before).all()
    values = np.random.default_rng(0).random((2, 7, 9, 3), np.float32)
    for size, strides in ((2, None), ((3, 2), (1, 2)), (3, 2), ((7, 1), 1)):
        layer = keras.layers.AveragePooling2D(size, strides)
        found = sum_of_slices(values, size=layer.pool_size, strides=layer.strides)
        assert np.allclose(found, layer(values), atol=1e-6) and found.shape == layer(values).shape
    filled_up = keras.Sequential([keras.Input((5, 5, 1)), keras.layers.AveragePooling2D(2, padding="same")])
    assert b"reduce_window" in compile_model(filled_up, (1,)).programs[1]


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
