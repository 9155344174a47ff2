"""Many encrypted images at once: one image in each slot, and what bad input gets."""

import numpy as np
import pytest

from course_lib.he import wire
from course_lib.he.batch import BATCH_NEEDS, MOST_IMAGES, BatchClient, BatchServer
from course_lib.he.image_packing import NetworkShape
from course_lib.he.network import Network
from course_lib.he.parameters import NETWORK
from he_callers import flip
from he_networks import SMALL, random_image, random_network

IMAGES = np.array([random_image(SMALL, seed) for seed in range(5)])


@pytest.fixture(scope="module")
def client():
    return BatchClient(SMALL)


@pytest.fixture(scope="module")
def public_keys(client):
    return client.get_public_keys()[1]


@pytest.fixture(scope="module")
def frames(client):
    return list(client.encrypt(IMAGES))


@pytest.fixture(scope="module")
def server():
    return BatchServer(random_network(SMALL))


def test_scores_of_a_batch_equal_plain_ones(client, public_keys, frames, server):
    assert len(frames) == 64
    scores = client.decrypt(server.score(iter(frames), public_keys))
    np.testing.assert_allclose(scores, random_network(SMALL).scores(IMAGES), atol=0.01)


def test_padding_is_not_encrypted_and_not_needed():
    shape = NetworkShape(image=6, padding=2, kernel=4, stride=3, maps=2, hidden=16, classes=3)
    network, images = random_network(shape), np.array([random_image(shape, seed) for seed in range(3)])
    client = BatchClient(shape)
    answer = BatchServer(network).score(client.encrypt(images), client.get_public_keys()[1])
    np.testing.assert_allclose(client.decrypt(answer), network.scores(images), atol=0.01)


def test_a_full_batch_uses_all_slots_but_two(client, public_keys, server):
    images = np.random.default_rng(1).random((MOST_IMAGES, 8, 8))
    assert NETWORK.slots - 2 == MOST_IMAGES
    scores = client.decrypt(server.score(client.encrypt(images), public_keys))
    np.testing.assert_allclose(scores, random_network(SMALL).scores(images), atol=0.1)


def test_no_key_rotates(public_keys):
    assert BATCH_NEEDS.frame_kinds == ("relinearisation keys",)
    assert BATCH_NEEDS.load(public_keys).galois is None
    assert len(public_keys) < 1_000_000


def test_another_key_does_not_open_the_answer(client, public_keys, frames, server):
    answer = server.score(frames, public_keys)
    with pytest.raises(ValueError, match="empty slots differ"):
        BatchClient(SMALL).decrypt(answer)
    with pytest.raises(ValueError, match="3 classes were expected, but 2 came"):
        client.decrypt(answer[:2])


def test_frames_that_are_not_those_of_a_batch(client, public_keys, frames, server):
    other_count = next(client.encrypt(IMAGES[:4]))
    for bad, message in (
        (frames[:-1], "64 frames were expected, one for each pixel, but fewer"),
        (frames + frames[:1], "64 frames were expected, one for each pixel, but more"),
        ([], "fewer"),
        ([*frames[:10], other_count, *frames[11:]], "Frames of 5 images were expected, but one of 4"),
        ([flip(frames[0], 5000), *frames[1:]], "SHA-256"),
        ([public_keys, *frames[1:]], "At most"),
    ):
        with pytest.raises(ValueError, match=message):
            server.score(bad, public_keys)
    with pytest.raises(ValueError, match="0 bytes"):
        server.score(frames, b"")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((8, 8)), "images of 8 x 8"),
        (np.zeros((0, 8, 8)), "Between 1 and 4094 images"),
        (np.zeros((MOST_IMAGES + 1, 8, 8)), "Between 1 and 4094 images"),
        (np.full((2, 8, 8), 255), "Values from 0 to 1"),
        (np.full((2, 8, 8), np.nan), "Finite"),
    ],
)
def test_images_that_cannot_be_encrypted(client, images, message):
    with pytest.raises(ValueError, match=message):
        list(client.encrypt(images))


def test_a_network_of_zeros_is_refused(public_keys, frames):
    network = random_network(SMALL)
    zeros = Network(**vars(network) | {"kernels": 0 * network.kernels})
    with pytest.raises(ValueError, match="not all 0"):
        BatchServer(zeros).score(frames, public_keys)


def test_the_frames_are_those_of_the_wire(frames):
    assert {wire.unpack("values", frame, parameters=NETWORK)[0] for frame in frames} == {5}
