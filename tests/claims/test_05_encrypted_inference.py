"""What the prose of lesson 05_encrypted_inference states: each number and each comparison."""

import numpy as np
import pytest
import tenseal as ts
import tenseal.sealapi as seal
from sklearn.linear_model import LogisticRegression

from course_lib.data import mnist
from course_lib.he import EILinearRegressionClient, EIServer
from course_lib.he.by_hand import MODULUS, SCALE, toy_decrypt, toy_encrypt
from course_lib.he.noise import fresh_error, noise_bits
from course_lib.he.packing import ValueLayout, WeightLayout
from course_lib.he.parameters import LINEAR, galois_elements, seal_context
from course_lib.he.wire import from_text

LAYOUT = WeightLayout(ValueLayout(features=784, slots=LINEAR.slots), classes=10)


@pytest.fixture(scope="module")
def images():
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    x_train, x_test = (part.reshape(-1, 784) / np.float32(255) for part in (x_train, x_test))
    return x_train, y_train, x_test, y_test


@pytest.fixture(scope="module")
def model(images):
    return LogisticRegression(C=0.1, tol=6e-4, max_iter=300).fit(images[0], images[1])


@pytest.fixture(scope="module")
def client():
    return EILinearRegressionClient()


@pytest.fixture(scope="module")
def matmul_context():
    context = ts.context(ts.SCHEME_TYPE.CKKS, 8192, coeff_mod_bit_sizes=[60, 40, 40, 60])
    context.global_scale = 2.0**40
    context.generate_galois_keys()
    return context


def test_toy_noise_is_in_the_last_digit_and_adds_up():
    random, secret = np.random.default_rng(2), np.array([1, 0, -1, 1])
    pi, two = toy_encrypt(3.14, secret, random), toy_encrypt(2.0, secret, random)
    assert abs(toy_decrypt(pi, secret, SCALE) - 3.14) <= 0.002 + 1e-9
    assert abs(toy_decrypt((pi + two) % MODULUS, secret, SCALE) - 5.14) <= 0.004 + 1e-9
    by_hand = (pi[0] - pi[2] + pi[3] + pi[4]) % 10**9  # "first minus third plus fourth"
    assert by_hand / 1000 == toy_decrypt(pi, secret, SCALE)


def test_toy_product_grows_the_scale_until_it_wraps_around():
    random, secret = np.random.default_rng(2), np.array([1, 0, -1, 1])
    product = toy_encrypt(3.14, secret, random) * 1500 % MODULUS
    assert abs(toy_decrypt(product, secret, SCALE**2) - 4.71) < 0.01
    assert pytest.approx(942.0) == 3.14 * 1.5 * 200
    assert abs(toy_decrypt(product * 200 % MODULUS, secret, SCALE**2) - 942) > 100


def test_ckks_levels_run_out_after_two_multiplications(matmul_context):
    x = ts.ckks_vector(matmul_context, [1.5])
    once = (x + x) * [2.0]
    twice = once.square()
    assert [v.ciphertext()[0].coeff_modulus_size() for v in (x, x + x, once, twice)] == [3, 3, 2, 1]
    assert abs(twice.decrypt()[0] - 36) < 1e-3
    with pytest.raises(ValueError, match="scale out of bounds"):
        twice * [2.0]


def test_model_reaches_92_percent(images, model):
    assert model.score(images[2], images[3]) >= 0.92


def test_layout_numbers():
    assert (LAYOUT.lanes, LAYOUT.rotations) == (16, 14)
    assert LAYOUT.lanes - LAYOUT.classes == 6
    assert (LAYOUT.values.copies, LAYOUT.values.copy_shift) == (2, 8)
    assert len(LAYOUT.shifts[0]) == 8 and len(LAYOUT.fold_steps) == 7
    assert LAYOUT.fold_steps[:2] == (16, 32)
    assert LINEAR.slots // LAYOUT.lanes == 128
    assert LINEAR.score_scale == 2**50
    assert LINEAR.coeff_modulus_bits == (60, 46)


def test_a_hundred_digits_agree_and_noise_leaves_more_than_ten_bits(images, model, client):
    expected = images[2][:100].astype(float) @ model.coef_.T + model.intercept_
    server, keys = EIServer(model.coef_, model.intercept_), client.get_public_keys()[1]
    scores = np.array(
        [client.decrypt(server.predict(client.encrypt(image), keys)) for image in images[2][:100]]
    )
    assert (scores.argmax(axis=1) == expected.argmax(axis=1)).all()
    assert np.abs(scores - expected).max() < 1e-3
    assert 50 - noise_bits((scores - expected).std(), LINEAR.score_scale) > 10
    assert 26 - noise_bits(fresh_error(LINEAR), LINEAR.value_scale) > 10


def test_keys_shrink_from_35_to_0_7_megabytes(client, matmul_context):
    theirs = len(matmul_context.serialize(save_secret_key=False, save_galois_keys=True))
    assert round(theirs / 1e6) == 35
    assert round(len(client.get_public_keys()[1]) / 1e6, 1) == 0.7


def test_we_send_44_kilobytes_for_an_image_of_0_8(images, client):
    assert round(len(client.encrypt(images[2][0])[0]) / 1000) == 44
    assert round(images[2][0].size / 1000, 1) == 0.8


def test_bytes_are_flat_from_16_upwards(images, client):
    ciphertexts = b"".join(from_text(client.encrypt(images[2][0])[0]) for _repeat in range(20))
    counts = np.bincount(np.frombuffer(ciphertexts, np.uint8), minlength=256)
    assert counts[:16].min() > 2 * counts[16:].max()
    assert counts[16:].max() / counts[16:].min() < 1.3


def test_a_linear_model_is_copied_with_785_questions(model):
    def score(values):
        return model.coef_ @ values + model.intercept_

    intercept = score(np.zeros(784))
    copied = np.array([score(pixel) - intercept for pixel in np.eye(784)]).T
    np.testing.assert_allclose(copied, model.coef_, atol=1e-9)


def test_the_noise_of_a_rotation_drowns_a_pixel_but_not_a_score(client):
    context = seal_context(LINEAR)
    generator = seal.KeyGenerator(context)
    galois_keys = seal.GaloisKeys()
    generator.create_galois_keys(galois_elements(LINEAR), galois_keys)
    encoder, plain, ciphertext = seal.CKKSEncoder(context), seal.Plaintext(), seal.Ciphertext()
    values = np.random.default_rng(0).random(LINEAR.slots)
    errors = {}
    for scale in (LINEAR.value_scale, LINEAR.score_scale):
        encoder.encode(values.tolist(), scale, plain)
        seal.Encryptor(context, generator.secret_key()).encrypt_symmetric(plain, ciphertext)
        seal.Evaluator(context).rotate_vector_inplace(ciphertext, 1, galois_keys)
        seal.Decryptor(context, generator.secret_key()).decrypt(ciphertext, plain)
        errors[scale] = (np.array(encoder.decode_double(plain)) - np.roll(values, -1)).std()
    assert errors[LINEAR.value_scale] > 0.25  # a pixel is between 0 and 1
    assert errors[LINEAR.score_scale] < 1e-6
