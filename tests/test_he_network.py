"""The encrypted network without a service: packing, plan, client and server, and what bad input gets."""

import re

import numpy as np
import pytest
import tenseal.sealapi as seal
import torch

from course_lib.he import EILinearRegressionClient, EINetworkClient, EINetworkServer, EIServer, wire
from course_lib.he.encrypted_layer import squared
from course_lib.he.image_packing import LAYOUTS, ImageLayout, NetworkShape
from course_lib.he.network import Network
from course_lib.he.packing import ValueLayout, apply_in_slots
from course_lib.he.parameters import LINEAR, NETWORK, galois_elements, seal_context
from course_lib.he.plan import linear_plan, network_plan
from course_lib.he.public_keys import LINEAR_NEEDS, KeyNeeds
from course_lib.he.serialization import to_bytes
from course_lib.he.server import packed_network
from he_callers import flip
from he_networks import SHAPE, SMALL, random_image, random_network
from tools.fuzz_damage import inflated

SHAPES = [
    SHAPE,
    SMALL,
    NetworkShape(padding=2, kernel=5, stride=2, maps=16),  # that of CryptoNets, with more feature maps
    NetworkShape(padding=1, kernel=7, stride=3, maps=8, hidden=32),  # a grid that is no power of two
    NetworkShape(image=9, padding=1, kernel=1, stride=2, maps=3, hidden=16, classes=2),
    NetworkShape(image=6, padding=0, kernel=6, stride=1, maps=32, hidden=4, classes=3),
]
every_layout = pytest.mark.parametrize("layout", LAYOUTS)


@pytest.fixture(scope="module")
def network():
    return random_network()


@pytest.fixture(scope="module", params=LAYOUTS)
def pair(request, network):
    """A client and a server for each layout."""
    return EINetworkClient(network.shape, request.param), EINetworkServer(network, request.param)


@pytest.fixture(scope="module")
def small():
    """A client, its public keys, and a server, for a network that is evaluated quickly."""
    client, server = EINetworkClient(SMALL), EINetworkServer(random_network(SMALL))
    return client, client.get_public_keys()[1], server


# --- Packing and plan, in the clear ---------------------------------------------------------------


@every_layout
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_each_layer_in_slots_is_that_of_the_plain_network(shape, layout):
    network, image = random_network(shape), random_image(shape)
    plan = network_plan(shape, layout)
    results, inputs = [], plan.values.arrange(image)
    for packed, (weights, constants) in zip(plan.layers, packed_network(network, plan), strict=True):
        results.append(apply_in_slots(packed, weights, inputs) + packed.in_lanes(constants))
        inputs = results[-1][None] ** 2
    maps, hidden, scores = results
    feature = plan.layers[0].feature_of_slot
    assert sorted(feature[feature >= 0]) == list(range(shape.maps * shape.side**2))
    np.testing.assert_allclose(maps[feature >= 0], network.feature_maps(image).ravel()[feature[feature >= 0]])
    np.testing.assert_allclose(hidden, np.resize(network.hidden_units(image), len(hidden)))
    lanes = plan.layers[2].lanes
    padded = np.append(network.scores(image), np.zeros(lanes - shape.classes))
    np.testing.assert_allclose(scores, np.resize(padded, len(scores)), atol=1e-9)


def test_the_client_sends_each_pixel_that_a_kernel_meets_and_nothing_else():
    image = np.arange(1.0, 785.0).reshape(28, 28)
    for layout in LAYOUTS:
        arranged = ImageLayout(SHAPE, slots=4096, name=layout).arrange(image)
        assert set(np.unique(arranged)) == {0, *image.ravel()}
    sent_once = arranged.reshape(16, 16, 64)[:, 0]  # compact: for the first feature map, each pixel once
    assert sorted(sent_once[sent_once > 0]) == sorted(image.ravel())


def test_the_plain_network_is_what_torch_computes():
    network, image = random_network(), random_image()
    x = torch.as_tensor(image)[None, None]
    convolved = torch.nn.functional.conv2d(
        x, torch.as_tensor(network.kernels)[:, None], torch.as_tensor(network.kernel_constants), 4, 2
    )
    hidden = (convolved**2).flatten() @ torch.as_tensor(network.hidden_weights).T
    hidden = (hidden + torch.as_tensor(network.hidden_constants)) ** 2
    scores = hidden @ torch.as_tensor(network.weights).T + torch.as_tensor(network.constants)
    np.testing.assert_allclose(network.scores(image), scores.numpy())
    both = np.stack([image, random_image(seed=1)])
    np.testing.assert_allclose(network.scores(both)[0], network.scores(image))


def test_the_parameters_are_within_the_stricter_guidelines():
    assert NETWORK.poly_modulus_degree == 8192 and sum(NETWORK.coeff_modulus_bits) == 214
    assert seal_context(NETWORK).key_context_data().qualifiers().sec_level == seal.SEC_LEVEL_TYPE.TC128


def test_a_linear_plan_asks_for_what_the_linear_model_always_had():
    plan = linear_plan(ValueLayout(features=784, slots=LINEAR.slots), classes=10)
    assert plan.needs is LINEAR_NEEDS and plan.score_scale == LINEAR.score_scale
    assert LINEAR_NEEDS.steps == tuple(2**i for i in range(11))
    assert [(step.products, step.rotations, step.relinearisations) for step in plan.steps()] == [
        (0, 0, 0),
        (8, 14, 0),
    ]


def test_the_table_has_a_row_for_each_step():
    lines = network_plan(SHAPE).table().splitlines()
    assert len(lines) == 7 and len(set(map(len, lines))) == 1
    assert [re.split(r"\s{2,}", line.strip())[0] for line in lines[1:]] == [
        *("encrypted values", "convolution", "square", "dense", "square", "dense")
    ]


def test_the_tables_columns_line_up_where_characters_are_wide(monkeypatch):
    words = {"step": "手順", "square": "二乗", "rotations": "回転", "encrypted values": "暗号化した値"}
    monkeypatch.setattr("course_lib.he.plan._", lambda message: words.get(message, message))
    lines = network_plan(SHAPE).table().splitlines()
    assert lines[0].startswith("手順") and "回転" in lines[0]
    assert len({len(line) + sum(ord(letter) > 0x2E7F for letter in line) for line in lines}) == 1


# --- Encrypted ------------------------------------------------------------------------------------


def test_encrypted_scores_equal_plain_ones(pair, network):
    client, server = pair
    _key_id, public_keys = client.get_public_keys()
    for seed in range(3):
        image = random_image(seed=seed)
        scores = client.decrypt(server.predict(client.encrypt(image), public_keys))
        np.testing.assert_allclose(scores, network.scores(image), atol=0.03)


@pytest.mark.parametrize("shape", SHAPES[2:], ids=str)
def test_other_shapes_are_scored_too(shape):
    network, image = random_network(shape), random_image(shape)
    client, server = EINetworkClient(shape, "compact"), EINetworkServer(network, "compact")
    scores = client.decrypt(server.predict(client.encrypt(image), client.get_public_keys()[1]))
    np.testing.assert_allclose(scores, network.scores(image), atol=0.05)


def test_levels_scales_and_rotations_are_those_of_the_plan(pair, network, monkeypatch):
    """Layer by layer, with the secret key at hand: what each step gives, at which level and scale."""
    client, server = pair
    (plan,), (layers,) = server.plans, server._portions
    keys = server.needs.load(client.get_public_keys()[1])
    image, rotated = random_image(), []
    expected = {
        "convolution": network.feature_maps(image).ravel(),
        "dense": network.hidden_units(image),
        "scores": network.scores(image),
    }
    values, rows, result = server._loaded(client.encrypt(image)), plan.steps(), None
    assert [(v.coeff_modulus_size(), np.log2(v.scale)) for v in values] == [
        (rows[0].primes, rows[0].scale_bits)
    ] * plan.values.ciphertexts
    for number, (layer, name) in enumerate(zip(layers, expected, strict=True)):
        if number:
            result = squared(server._evaluator, result, keys)
            assert result.coeff_modulus_size() == rows[2 * number].primes
            assert result.scale == plan.input_scales[number]
            values = [result]
        monkeypatch.setattr(layer, "_rotated", counting(layer._rotated, rotated))
        result = layer.apply(values, keys)
        assert (result.coeff_modulus_size(), np.log2(result.scale)) == (
            rows[2 * number + 1].primes,
            pytest.approx(rows[2 * number + 1].scale_bits),
        )
        assert sorted(rotated) == sorted(plan.layers[number].steps)
        assert len(rotated) == rows[2 * number + 1].rotations
        rotated.clear()
        slots = decrypted(client, result)
        if name == "convolution":
            feature = plan.layers[0].feature_of_slot
            slots = slots[np.argsort(feature)[-len(expected[name]) :]]
        np.testing.assert_allclose(slots[: len(expected[name])], expected[name], atol=0.03)
    assert result.scale == plan.score_scale


def counting(rotate, steps: list[int]):
    """`rotate`, noting each step that is one."""

    def noting(ciphertext, step, keys):
        steps.extend([step] if step else [])
        return rotate(ciphertext, step, keys)

    return noting


def decrypted(client, ciphertext) -> np.ndarray:
    plain = seal.Plaintext()
    client._decryptor.decrypt(ciphertext, plain)
    return np.array(client._encoder.decode_double(plain))


def test_the_keys_are_those_of_the_plan_and_no_other(pair):
    client, server = pair
    (plan,) = server.plans
    steps = plan.needs.steps
    assert set(steps) == {step for layer in plan.layers for step in layer.steps}
    keys = plan.needs.load(client.get_public_keys()[1])
    elements = galois_elements(NETWORK, steps)
    assert all(keys.galois.has_key(element) for element in elements)
    assert sum(len(key) > 0 for key in keys.galois.data()) == len(steps)
    texts = client.encrypt(random_image())
    for dropped in steps:
        fewer = KeyNeeds(NETWORK, tuple(step for step in steps if step != dropped), relinearises=True)
        public_keys = fewer.make(client._key_generator)
        with pytest.raises(ValueError, match=f"hold {len(steps)} Galois keys, but 1 of them are missing"):
            server.predict(texts, public_keys)
        if dropped != steps[0]:  # one is enough to see that SEAL itself could not do without
            continue
        with pytest.raises(ValueError, match="SEAL refuses"):
            server.score(texts, fewer.load(public_keys))


def test_what_goes_over_the_wire_has_the_size_that_the_issue_asks_for(pair):
    client, server = pair
    texts, public_keys = (
        client.encrypt(np.random.default_rng(0).random((28, 28))),
        client.get_public_keys()[1],
    )
    most = {16: 10e6, 4: 1e6}[len(texts)]
    assert sum(map(len, texts)) + 3 * len(texts) + 100 < most
    assert len(public_keys) < min(60e6, server.needs.most_bytes)
    (reply,) = server.predict(texts, public_keys)
    assert len(reply) < 200_000


def test_secret_key_makes_the_same_client_again(small):
    client, public_keys, server = small
    again = EINetworkClient(SMALL, secret_key=client.secret_key())
    image = random_image(SMALL)
    reply = server.predict(again.encrypt(image), public_keys)
    np.testing.assert_allclose(client.decrypt(reply), again.decrypt(reply))
    with pytest.raises(ValueError, match="can't be trusted"):
        for _client in range(2):  # one of 100,000 keys makes the slot that should be 0 nearly so
            EINetworkClient(SMALL).decrypt(reply)
    with pytest.raises(ValueError, match="At most 69632 bytes of secret key"):
        EILinearRegressionClient(client.secret_key())


def test_what_leaves_the_client_holds_neither_secret_nor_values(small):
    """No three words of the secret key occur in what is sent, decompressed; where it is, they are found."""
    client, public_keys, _server = small

    def words(kind, frame, keys=None):
        return inflated(wire.unpack(kind, frame, parameters=NETWORK, keys=keys)[1])

    kept = words("secret key", wire.from_text(client.secret_key()))
    windows = [kept[start : start + 24] for start in range(200, len(kept) - 24, 560)]
    galois, relinearisation = wire.split(public_keys, 2)
    question = wire.from_text(client.encrypt(np.full((8, 8), 0.5))[0])
    for sent in (
        words("galois keys", galois, keys=len(client._needs.steps)),
        words("relinearisation keys", relinearisation),
        words("values", question),
    ):
        assert len(sent) > 100_000
        assert not any(window in sent for window in windows)
        assert np.full(2, 0.5).tobytes() not in sent
    assert all(window in kept + sent for window in windows)


# --- Bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros(64), "An image of shape"),
        (np.zeros((9, 8)), "An image of shape"),
        (np.full((8, 8), 255), "Values from 0 to 1"),
        (np.full((8, 8), -0.1), "Values from 0 to 1"),
        (np.full((8, 8), np.nan), "Finite values"),
        (np.full((8, 8), 1j), "Real numbers"),
        (np.full((8, 8), "a"), "Numbers were expected"),
    ],
)
def test_images_that_cannot_be_encrypted(small, image, message):
    with pytest.raises(ValueError, match=message):
        small[0].encrypt(image)


def reframed(text: str, change) -> str:
    """The text with SEAL's bytes in it changed and the frame's digest made new: only SEAL can notice."""
    count, payload = wire.unpack("values", wire.from_text(text), parameters=NETWORK)
    return wire.to_text(wire.pack("values", change(payload), parameters=NETWORK, count=count))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda texts: texts[:-1], "ciphertexts was expected, but"),
        (lambda texts: texts * 2, "ciphertexts was expected, but"),
        (lambda texts: [texts[0][:400], *texts[1:]], "should have"),
        (lambda texts: [wire.to_text(flip(wire.from_text(texts[0]), 500)), *texts[1:]], "SHA-256"),
        (lambda texts: [reframed(texts[0], lambda payload: payload[:100]), *texts[1:]], "SEAL can't read"),
        (lambda texts: EILinearRegressionClient().encrypt(np.ones(64)) * len(texts), "other parameters"),
        (lambda texts: EINetworkClient(SHAPE).encrypt(np.ones((28, 28)))[: len(texts)], "64 values were"),
    ],
)
def test_damaged_ciphertexts(small, damage, message):
    client, public_keys, server = small
    with pytest.raises(ValueError, match=message):
        server.predict(damage(client.encrypt(random_image(SMALL))), public_keys)


def test_a_ciphertext_at_a_lower_level_is_refused(small):
    client, public_keys, server = small
    texts = client.encrypt(random_image(SMALL))
    (first, *_others) = server._loaded(texts)
    seal.Evaluator(seal_context(NETWORK)).mod_switch_to_next_inplace(first)
    lower = wire.to_text(wire.pack("values", to_bytes(first), parameters=NETWORK, count=SMALL.features))
    with pytest.raises(ValueError, match="but another came"):
        server.predict([lower, *texts[1:]], public_keys)


def test_public_keys_that_are_damaged_or_incomplete(small):
    client, public_keys, server = small
    texts = client.encrypt(random_image(SMALL))
    galois, relinearisation = wire.split(public_keys, 2)
    context = seal_context(NETWORK)
    for_a_rotation = to_bytes(seal.KeyGenerator(context).create_galois_keys([3]))
    in_disguise = wire.pack("relinearisation keys", for_a_rotation, parameters=NETWORK, count=1)
    for keys, message in (
        (public_keys[:-1], "should have"),
        (flip(public_keys, len(galois) + 5000), "relinearisation keys was damaged"),
        (flip(public_keys, 5000), "galois keys was damaged"),
        (galois, "relinearisation keys was expected, but 0 bytes"),
        (galois + galois, "At most .* bytes of relinearisation keys"),
        (relinearisation + galois, "with relinearisation keys came"),
        (galois + wire.from_text(texts[0]), "one with values came"),
        (public_keys + b"x", "should have"),
        (galois + in_disguise, "should hold a relinearisation key, but it is missing"),
        (b"", "0 bytes"),
        (None, "should be bytes"),
        (EILinearRegressionClient().get_public_keys()[1], "other parameters"),
        (bytes(server.needs.most_bytes + 1), "At most|something else"),
    ):
        with pytest.raises(ValueError, match=message):
            server.predict(texts, keys)
    for keys in (public_keys, galois):
        with pytest.raises(ValueError):
            EIServer(np.ones((2, 64)), np.zeros(2)).predict(texts, keys)


def test_scores_beyond_the_range_are_noticed():
    """The room for scores is what is left below the last prime: see the plan's last row."""
    plan, network = network_plan(SMALL), random_network(SMALL)
    client, image = EINetworkClient(SMALL), random_image(SMALL)
    _key_id, public_keys = client.get_public_keys()
    # Hidden units near 3 and weights of one sign: small weights make large scores, and enlarge little noise.
    changed = {
        "hidden_constants": np.full(SMALL.hidden, 3.0),
        "weights": np.abs(network.weights),
        "constants": np.zeros(SMALL.classes),
    }
    small = Network(**vars(network) | changed)
    for largest, fits in ((0.8 * plan.max_score, True), (2 * plan.max_score, False)):
        factor = largest / small.scores(image).max()
        larger = Network(**vars(small) | {"weights": small.weights * factor})
        reply = EINetworkServer(larger).predict(client.encrypt(image), public_keys)
        if fits:
            np.testing.assert_allclose(client.decrypt(reply), larger.scores(image), atol=0.5)
        else:
            with pytest.raises(ValueError, match=rf"beyond ±{plan.max_score:.0f}"):
                client.decrypt(reply)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"kernel": 40}, "kernel that fits"),
        ({"stride": 0}, "kernel that fits"),
        ({"hidden": 48}, "power of two"),
        ({"hidden": 8}, "larger than the 10 classes"),
        ({"maps": 100}, "feature maps need 8192 slots"),
    ],
)
def test_shapes_that_cannot_be_served(sizes, message):
    with pytest.raises(ValueError, match=message):
        network_plan(NetworkShape(**sizes))


@pytest.mark.parametrize("name", ["weights", "constants", "kernel_constants"])
def test_weights_that_cannot_be_stored_are_refused(network, name):
    larger = Network(**vars(network) | {name: getattr(network, name) * 1e40})
    with pytest.raises(ValueError, match="but larger ones came"):
        EINetworkServer(larger)


def test_another_layout_is_refused():
    with pytest.raises(ValueError, match="im2col, compact was expected, but wide came"):
        EINetworkClient(SHAPE, "wide")


@pytest.mark.parametrize("name", ["kernels", "kernel_constants", "hidden_weights", "weights", "constants"])
def test_networks_that_cannot_be_served(network, name):
    arrays = network.arrays()
    with pytest.raises(ValueError, match=f"array {name} of shape"):
        Network(**vars(network) | {name: arrays[name][..., :-1]})
    with pytest.raises(ValueError, match=f"numbers were expected in {name}"):
        Network(**vars(network) | {name: arrays[name] * np.inf})
    with pytest.raises(ValueError, match=f"missing: {name}"):
        Network.from_arrays({key: array for key, array in arrays.items() if key != name})


def test_a_network_of_zeros_is_scored(small):
    client, public_keys, _server = small
    zeros = {name: 0 * array for name, array in random_network(SMALL).arrays().items() if name != "geometry"}
    network = Network(SMALL, **zeros | {"constants": np.array([1.0, 2.0, 3.0])})
    reply = EINetworkServer(network).predict(client.encrypt(random_image(SMALL)), public_keys)
    np.testing.assert_allclose(client.decrypt(reply), [1, 2, 3], atol=0.05)


def test_training_learns_digits():
    from course_lib.data import mnist
    from course_lib.he.training import train_network

    (images, labels), _test = mnist.load_data()
    images = images[:6000] / np.float32(255)
    network = train_network(images[:5000], labels[:5000], shape=SHAPE, epochs=3, seed=0)
    again = train_network(images[:5000], labels[:5000], shape=SHAPE, epochs=3, seed=0)
    assert (network.scores(images[5000:]).argmax(axis=1) == labels[5000:6000]).mean() > 0.9
    np.testing.assert_allclose(network.weights, again.weights)
