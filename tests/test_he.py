"""Encrypted inference without a network: packing, client and server, and what bad input gets."""

import ast
import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import tenseal.sealapi as seal
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.he import EILinearRegressionClient, EIServer, by_hand, wire
from course_lib.he.packing import ValueLayout, WeightLayout, multiply_in_slots, split_classes
from course_lib.he.parameters import LINEAR, MAX_COEFF_MODULUS_BITS, Parameters, seal_context
from course_lib.he.serialization import ciphertext_from_bytes, from_bytes, to_bytes
from course_lib.he.server import load_galois_keys
from he_callers import flip
from tools.fuzz_damage import inflated

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def client():
    return EILinearRegressionClient()


@pytest.fixture(scope="module")
def public_keys(client):
    return client.get_public_keys()[1]


@pytest.fixture(scope="module")
def server():
    random = np.random.default_rng(0)
    return EIServer(random.normal(size=(3, 20)), random.normal(size=3))


def reframed(text: str, change) -> str:
    """The text with SEAL's bytes in it changed and the frame's digest made new: only SEAL can notice."""
    frame = wire.from_text(text)
    count, payload = wire.unpack("values", frame, parameters=LINEAR)
    return wire.to_text(wire.pack("values", change(payload), parameters=LINEAR, count=count))


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 200), st.integers(1, 1500), st.sampled_from([1024, 2048]), st.integers(0, 2**32))
def test_packing_multiplies_any_matrix(classes, features, slots, seed):
    random = np.random.default_rng(seed)
    weights, values = random.normal(size=(classes, features)), random.normal(size=features)
    for rows in split_classes(classes, ValueLayout(features, slots)):
        np.testing.assert_allclose(
            multiply_in_slots(weights[rows], values, slots=slots), weights[rows] @ values, atol=1e-9
        )


def test_every_class_meets_every_feature_exactly_once():
    layout = WeightLayout(ValueLayout(features=784, slots=2048), classes=10)
    weights = np.arange(1, 7841, dtype=float).reshape(10, 784)
    placed = layout.diagonals(weights)
    assert sorted(placed[placed != 0]) == sorted(weights.ravel())


def test_diagonals_by_hand_equal_the_wide_packing():
    random = np.random.default_rng(3)
    weights, values = random.normal(size=(8, 8)), random.normal(size=8)
    by_diagonals = by_hand.multiply_by_diagonals(weights, values)
    np.testing.assert_allclose(by_diagonals, weights @ values)
    np.testing.assert_allclose(by_diagonals, multiply_in_slots(weights, values, slots=2048))


@pytest.mark.parametrize(
    ("classes", "features"), [(1, 1), (2, 3), (3, 11), (10, 784), (16, 784), (100, 11), (10, 2048), (4, 5000)]
)
def test_encrypted_scores_equal_plain_ones(client, public_keys, classes, features):
    random = np.random.default_rng(classes * features)
    coeffs, intercept = random.normal(size=(classes, features)), random.normal(size=classes)
    values = random.uniform(-1, 1, size=features)
    reply = EIServer(coeffs, intercept).predict(client.encrypt(values), public_keys)
    np.testing.assert_allclose(client.decrypt(reply), coeffs @ values + intercept, atol=1e-3)


def test_models_of_zeros_and_of_tiny_weights(client, public_keys):
    for coeffs in (np.zeros((3, 20)), np.full((3, 20), 1e-6), np.eye(3, 20) * 1e-3):
        reply = EIServer(coeffs, [1.0, 2.0, 3.0]).predict(client.encrypt(np.ones(20)), public_keys)
        np.testing.assert_allclose(client.decrypt(reply), coeffs.sum(axis=1) + [1, 2, 3], atol=1e-3)


def test_what_would_be_inexact_is_said(client):
    with pytest.warns(UserWarning, match="coefficients are so large"):
        EIServer(np.full((2, 100), 10.0), np.zeros(2))
    with pytest.warns(UserWarning, match="values are so large"):
        client.encrypt(np.full(784, 255.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client.encrypt(np.ones(784))
        EIServer(np.random.default_rng(0).normal(size=(10, 784)), np.zeros(10))


@pytest.mark.parametrize(("classes", "features"), [(10, 784), (3, 11), (16, 100), (2, 2000)])
def test_the_error_follows_its_formula(client, public_keys, classes, features):
    random = np.random.default_rng(features)
    coeffs = random.normal(size=(classes, features))
    server = EIServer(coeffs, np.zeros(classes))
    errors = []
    for _repeat in range(20):
        values = random.normal(size=features)
        errors.append(client.decrypt(server.predict(client.encrypt(values), public_keys)) - coeffs @ values)
    from_values = LINEAR.value_error * np.linalg.norm(coeffs, axis=1).max()
    from_weights = LINEAR.weight_error * np.sqrt(features)
    assert 0.3 * from_values < np.std(errors) < 2 * from_values + 4 * from_weights


@pytest.mark.parametrize("scale", [2.0**46, 2.0**26])
def test_an_answer_at_another_scale_is_refused(client, scale):
    """Relabelled, a question would decrypt to the values, and a scaled answer to multiples of the scores."""
    context = seal_context(LINEAR)
    plain, ciphertext = seal.Plaintext(), seal.Ciphertext()
    seal.CKKSEncoder(context).encode([0.0] * LINEAR.slots, scale, plain)
    seal.Encryptor(context, client._key_generator.secret_key()).encrypt_symmetric(plain, ciphertext)
    frame = wire.pack("scores", to_bytes(ciphertext), parameters=LINEAR, count=3)
    with pytest.raises(ValueError, match="at a scale of"):
        client.decrypt([wire.to_text(frame)])


def test_weights_that_are_zero_for_most_features(client, public_keys):
    coeffs = np.zeros((10, 784))
    coeffs[3, 5] = 0.01
    reply = EIServer(coeffs, np.arange(10)).predict(client.encrypt(np.ones(784)), public_keys)
    np.testing.assert_allclose(client.decrypt(reply), np.arange(10) + coeffs.sum(axis=1), atol=1e-3)


def test_code_for_the_older_package_runs_with_its_import_changed():
    """The documented calls of encrypted-inference 0.9, positional arguments and JSON included."""
    coeffs, intercept = [[0.5, -1.0, 2.0], [1.0, 1.0, 1.0]], [0.25, 0.0]
    client = EILinearRegressionClient(None, False)
    key_id, public_keys = client.get_public_keys()
    assert isinstance(key_id, str) and isinstance(public_keys, bytes)
    request = json.dumps({"data": client.encrypt([1.0, 2.0, 3.0]), "key_id": key_id})
    result = EIServer(coeffs, intercept, False).predict(json.loads(request)["data"], public_keys)
    np.testing.assert_allclose(client.decrypt(json.loads(json.dumps(result))), [4.75, 6.0], atol=1e-3)


def test_secret_key_makes_the_same_client_again(client, server, public_keys):
    values = np.linspace(-1, 1, 20)
    reply = server.predict(client.encrypt(values), public_keys)
    again = EILinearRegressionClient(client.secret_key())
    np.testing.assert_allclose(again.decrypt(reply), client.decrypt(reply))
    np.testing.assert_allclose(
        client.decrypt(server.predict(again.encrypt(values), again.get_public_keys()[1])),
        client.decrypt(reply),
        atol=1e-3,
    )


def test_another_key_does_not_open_the_answer(client, server, public_keys):
    reply = server.predict(client.encrypt(np.ones(20)), public_keys)
    with pytest.raises(ValueError, match="can't be trusted"):
        EILinearRegressionClient().decrypt(reply)


def test_scores_beyond_the_range_are_noticed(client, public_keys):
    server = EIServer(np.full((3, 100), 5.0), np.zeros(3))
    inside = client.decrypt(server.predict(client.encrypt(np.ones(100)), public_keys))
    np.testing.assert_allclose(inside, 500, atol=1e-2)
    with pytest.raises(ValueError, match="beyond ±512"):
        client.decrypt(server.predict(client.encrypt(np.full(100, 1.6)), public_keys))


def unpacked(kind: str, frame: bytes) -> bytes:
    """The 64-bit words inside a frame, which SEAL compresses."""
    return inflated(wire.unpack(kind, frame, parameters=LINEAR)[1])


def test_what_leaves_the_client_holds_neither_secret_nor_values(client):
    """No three words of the secret key occur in what is sent, decompressed; where it is, they are found."""
    kept = unpacked("secret key", wire.from_text(client.secret_key()))
    windows = [kept[start : start + 24] for start in range(200, len(kept) - 24, 56)]
    _key_id, public_keys = client.get_public_keys()
    question = wire.from_text(client.encrypt(np.full(784, 0.5))[0])
    for sent in (unpacked("galois keys", public_keys), unpacked("values", question)):
        assert len(sent) > 30_000
        assert not any(window in sent for window in windows)
        assert np.full(2, 0.5).tobytes() not in sent
    careless = unpacked("galois keys", public_keys) + unpacked(
        "secret key", wire.from_text(EILinearRegressionClient(client.secret_key()).secret_key())
    )
    assert all(window in careless for window in windows)


def test_two_encryptions_of_one_value_have_nothing_in_common(client):
    questions = [wire.from_text(client.encrypt(np.full(784, 0.5))[0]) for _repeat in range(2)]
    one, other = (
        np.frombuffer(unpacked("values", question)[1000:31_000], np.uint16) for question in questions
    )
    assert (one == other).mean() < 0.01


def test_bytes_do_not_tell_zeros_from_ones(client):
    """Two samples of ciphertext bytes, chi-square over the 256 values; false alarm twice in a million."""

    def byte_counts(values):
        payloads = [wire.from_text(client.encrypt(values)[0])[200:] for _repeat in range(10)]
        return np.bincount(np.frombuffer(b"".join(payloads), np.uint8), minlength=256).astype(float)

    def chi_square(one, other):
        return ((one - other) ** 2 / (one + other)).sum()

    threshold = 255 + 5.2 * np.sqrt(2 * 255)
    assert chi_square(byte_counts(np.zeros(784)), byte_counts(np.ones(784))) < threshold
    unencrypted = np.bincount(np.frombuffer(np.ones(40000).tobytes(), np.uint8), minlength=256).astype(float)
    assert chi_square(byte_counts(np.zeros(784)), unencrypted) > threshold


def test_verbose_and_repr_and_errors_show_no_secret(capsys):
    client = EILinearRegressionClient(verbose=True)
    client.get_public_keys()
    client.encrypt([0.123456, 2.0])
    shown = capsys.readouterr().out + repr(client)
    assert "0.123456" not in shown and "2 values" in shown
    assert client.secret_key()[200:240] not in shown
    with pytest.raises(ValueError) as caught:
        EILinearRegressionClient(client.secret_key()[:-8])
    assert client.secret_key()[200:240] not in str(caught.value)


def test_security_is_enforced():
    assert (
        seal.CoeffModulus.MaxBitCount(4096, seal.SEC_LEVEL_TYPE.TC128) == MAX_COEFF_MODULUS_BITS[4096] == 109
    )
    for degree, bits in MAX_COEFF_MODULUS_BITS.items():
        assert seal.CoeffModulus.MaxBitCount(degree, seal.SEC_LEVEL_TYPE.TC128) == bits
    with pytest.raises(ValueError, match="allows 109 bits"):
        seal_context(Parameters(4096, (60, 50), 2.0**26, 2.0**23))
    with pytest.raises(ValueError, match="must be one of"):
        seal_context(Parameters(5000, (60, 49), 2.0**26, 2.0**23))
    # SEAL's own check, should our table be wrong one day.
    assert seal_context(LINEAR).key_context_data().qualifiers().sec_level == seal.SEC_LEVEL_TYPE.TC128


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1.0]], "one dimension"),
        ([], "At least one value"),
        ([1.0, float("nan")], "Finite values were expected, but NaN or infinity came at index 1"),
        ([float("-inf")], "Finite values"),
        ([1e12], "Values up to"),
        (["a"], "Numbers were expected"),
        ([None], "Finite values"),
        ([object()], "Numbers were expected"),
        ([1 + 2j], "Real numbers were expected"),
    ],
)
def test_values_that_cannot_be_encrypted(client, values, message):
    with pytest.raises(ValueError, match=message):
        client.encrypt(values)


@pytest.mark.parametrize(
    ("coeffs", "intercept", "message"),
    [
        ([1.0, 2.0], [0.0], "shape"),
        (np.zeros((0, 5)), [], "shape"),
        ([[1.0, 2.0]], [0.0, 1.0], "intercept for each"),
        ([[1.0, np.nan]], [0.0], "Finite"),
        ([[1.0, 2.0]], [np.inf], "Finite"),
        ([[1e11, 0.0]], [0.0], "Coefficients up to"),
        ([[1.0, 0.0]], [5000.0], "intercepts up to ±512"),
    ],
)
def test_models_that_cannot_be_served(coeffs, intercept, message):
    with pytest.raises(ValueError, match=message):
        EIServer(coeffs, intercept)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda texts: None, "A list of 1 ciphertexts was expected, but NoneType came"),
        (lambda texts: [], "A list of 1 ciphertexts was expected, but 0 came"),
        (lambda texts: texts * 2, "but 2 came"),
        (lambda texts: [5], "base64 was expected, but a value of type int"),
        (lambda texts: ["%" + texts[0][1:]], "base64"),
        (lambda texts: [""], "0 bytes"),
        (lambda texts: [texts[0][:400]], "should have"),
        (lambda texts: [wire.to_text(flip(wire.from_text(texts[0]), 500))], "SHA-256"),
        (lambda texts: [wire.to_text(flip(wire.from_text(texts[0]), 14))], "SHA-256"),  # of the count
        (lambda texts: [reframed(texts[0], lambda payload: payload[:100])], "SEAL can't read a Ciphertext"),
        (lambda texts: [reframed(texts[0], lambda payload: b"")], "SEAL can't read a Ciphertext"),
        (lambda texts: [texts[0] * 3], "At most|base64"),
    ],
)
def test_damaged_ciphertexts(client, server, public_keys, damage, message):
    texts = client.encrypt(np.ones(20))
    with pytest.raises(ValueError, match=message):
        server.predict(damage(texts), public_keys)
    np.testing.assert_array_equal(client.decrypt(server.predict(texts, public_keys)).shape, (3,))


def test_wrong_number_of_values(client, server, public_keys):
    with pytest.raises(ValueError, match="20 values were expected, but 19 came"):
        server.predict(client.encrypt(np.ones(19)), public_keys)


def test_other_parameters_are_named(client, server, public_keys):
    other = Parameters(4096, (54, 55), 2.0**26, 2.0**20)
    payload = wire.unpack("values", wire.from_text(client.encrypt(np.ones(20))[0]), parameters=LINEAR)[1]
    text = wire.to_text(wire.pack("values", payload, parameters=other, count=20))
    with pytest.raises(ValueError, match="other parameters"):
        server.predict([text], public_keys)


@pytest.mark.parametrize("scale", [2.0**30, 2.0**49, 1.0])
def test_another_scale_is_refused(client, server, public_keys, scale):
    """A ciphertext in a good frame whose values were encoded at a scale that was not agreed on."""
    context = seal_context(LINEAR)
    plain = seal.Plaintext()
    seal.CKKSEncoder(context).encode([0.5] * LINEAR.slots, scale, plain)
    payload = to_bytes(
        seal.Encryptor(context, seal.KeyGenerator(context).secret_key()).encrypt_symmetric(plain)
    )
    text = wire.to_text(wire.pack("values", payload, parameters=LINEAR, count=20))
    with pytest.raises(ValueError, match="at a scale of 67108864 was expected"):
        server.predict([text], public_keys)


def test_another_level_is_refused():
    """Only parameters with more primes than ours have a level below the top that SEAL lets through."""
    longer = Parameters(8192, (60, 40, 60), 2.0**26, 2.0**24)
    context, ciphertext = seal_context(longer), seal.Ciphertext()
    key = seal.KeyGenerator(context).secret_key()
    seal.Encryptor(context, key).encrypt_zero_symmetric(ciphertext)
    ciphertext.scale = longer.value_scale
    ciphertext_from_bytes(context, to_bytes(ciphertext), scale=longer.value_scale)
    seal.Evaluator(context).mod_switch_to_next_inplace(ciphertext)
    with pytest.raises(ValueError, match="but another came"):
        ciphertext_from_bytes(context, to_bytes(ciphertext), scale=longer.value_scale)


def test_public_keys_that_are_damaged_or_incomplete(client, server, public_keys):
    texts = client.encrypt(np.ones(20))
    for keys, message in (
        (public_keys[:-1], "should have"),
        (flip(public_keys, 1000), "SHA-256"),
        (b"", "0 bytes"),
        (None, "should be bytes"),
        (bytearray(public_keys), "should be bytes"),
        (wire.from_text(texts[0]), "one with values came"),
        (b"x" * 10**7, "At most"),
    ):
        with pytest.raises(ValueError, match=message):
            server.predict(texts, keys)
    context = seal_context(LINEAR)
    few = to_bytes(seal.KeyGenerator(context).create_galois_keys([3]))
    with pytest.raises(ValueError, match="10 of them are missing"):
        server.predict(texts, wire.pack("galois keys", few, parameters=LINEAR, count=1))


def test_answers_that_cannot_be_decrypted(client, server, public_keys):
    reply = server.predict(client.encrypt(np.ones(20)), public_keys)
    for response, message in (
        ([], "empty answer"),
        (None, "was expected"),
        ("text", "str came"),
        ([reply[0][:-8]], "should have"),
        (client.encrypt(np.ones(20)), "one with values came"),
    ):
        with pytest.raises(ValueError, match=message):
            client.decrypt(response)


def test_key_id_is_the_digest_and_stays(client):
    key_id, blob = client.get_public_keys()
    assert key_id == hashlib.sha256(blob).hexdigest()
    assert client.get_public_keys() == (key_id, blob)
    assert load_galois_keys(blob) is load_galois_keys(blob)


def test_sizes_that_the_issue_asks_for(client):
    (text,) = client.encrypt(np.random.default_rng(0).random(784))
    reply = EIServer(np.ones((10, 784)) / 784, np.zeros(10)).predict([text], client.get_public_keys()[1])
    assert len(client.get_public_keys()[1]) <= 4_000_000
    assert len(text) <= 200_000 and sum(map(len, reply)) <= 100_000
    assert len(base64.b64decode(text)) < wire.max_frame_bytes("values", LINEAR)


def test_no_file_is_left_behind(tmp_path):
    """SEAL's bindings write paths: nothing of that may remain in the temporary folder or among open files."""
    script = (
        "import os, tempfile; from course_lib.he import EILinearRegressionClient as C\n"
        "c = C(); c.encrypt([1.0])\n"
        "before = len(os.listdir('/proc/self/fd')) if os.path.exists('/proc/self/fd') else 0\n"
        "for i in range(20): C(c.secret_key()).encrypt([1.0])\n"
        "after = len(os.listdir('/proc/self/fd')) if os.path.exists('/proc/self/fd') else 0\n"
        "print(after - before, os.listdir(tempfile.gettempdir()))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={"TMPDIR": str(tmp_path), "PATH": ""},
        check=True,
    )
    assert shown.stdout.strip() == "0 []"


def test_without_files_in_memory_a_private_folder_serves_and_goes(monkeypatch, tmp_path):
    """What macOS and Windows do: a secret key there and back, and what SEAL refuses, leave no file."""
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    client = EILinearRegressionClient()
    assert EILinearRegressionClient(client.secret_key()).secret_key() == client.secret_key()
    with pytest.raises(ValueError, match="SEAL can't read"):
        from_bytes(seal.Ciphertext, seal_context(LINEAR), b"nothing for SEAL")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["toy_encrypt", "toy_decrypt", "multiply_by_diagonals"])
def test_lesson_and_library_hold_the_same_function(name):
    def body(path):
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        (function,) = (
            node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name
        )
        statements = function.body[1:] if ast.get_docstring(function) else function.body
        return [argument.arg for argument in function.args.args], [
            ast.dump(statement) for statement in statements
        ]

    assert body("lessons/05_encrypted_inference.py") == body("course_lib/he/by_hand.py")
