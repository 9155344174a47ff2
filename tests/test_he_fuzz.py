"""Damaged requests, at random and the worst that were found: the next good one is answered all the same."""

import json
import struct

import numpy as np
import psutil
import pytest

from course_lib.he import wire
from course_lib.he.deployment import deploy
from course_lib.he.parameters import LINEAR, seal_context
from course_lib.he.serialization import ciphertext_from_bytes
from tools.fuzz import Attempt, Failure, Target, fuzz
from tools.fuzz_cases import FEATURES, upload
from tools.fuzz_damage import SEAL_HEADER, UNCOMPRESSED, ZLIB, ZSTD, inflated, saved

RANDOM = np.random.default_rng(seed=8)
COEFFS, INTERCEPT = RANDOM.normal(size=(10, FEATURES)), RANDOM.normal(size=10)

# What SEAL 4 writes for a ciphertext: its parameters' hash, then these fields, then two objects with headers.
HASH_BYTES = 32
NTT_FIELD, SIZE_FIELD, SCALE_FIELD = HASH_BYTES, HASH_BYTES + 1, HASH_BYTES + 25
FIELDS_BYTES = 73
POLYNOMIAL_BYTES = 8 * LINEAR.poly_modulus_degree


def test_the_service_stands_hundreds_of_damaged_requests():
    report = fuzz(requests=400, seed=20)
    assert sum(report.statuses.values()) == 400
    assert len(report.slowest) == 11  # every kind of damage was tried
    assert "damaged_ciphertext" in str(report)
    assert report.most_memory < 600 << 20


@pytest.fixture(scope="module")
def target():
    with deploy(COEFFS, INTERCEPT) as service:
        yield Target(service, COEFFS, INTERCEPT, seed=9)


@pytest.fixture
def fields(target) -> bytes:
    return bytearray(inflated(target.caller.ciphertext))


def score(target: Target, payload: bytes) -> int:
    """The status that a ciphertext gets whose frame is in order."""
    frame = wire.pack("values", payload, parameters=LINEAR, count=FEATURES)
    body = json.dumps(target.caller.request(data=[wire.to_text(frame)])).encode()
    status = target.send(Attempt("POST", "/score", body))
    target.check()
    return status


def broken_off(content: bytes) -> bytes:
    """A compressed object that ends too early, to stand inside another one that is compressed."""
    whole = saved(content, ZLIB)
    return whole[: len(whole) - 100]


@pytest.mark.parametrize("compression", [ZLIB, ZSTD])
def test_what_aborts_seal_ends_a_worker_only(target, fields, compression):
    """SEAL throws from a destructor, which ends the process: InflateGetBuffer's, in SEAL 4.

    It does so where a compressed object within a compressed object ends too early.
    """
    head, content = fields[:FIELDS_BYTES], fields[FIELDS_BYTES + SEAL_HEADER.size :]
    assert score(target, saved(bytes(head + broken_off(content)), compression)) == 422


def test_keys_that_abort_seal_end_a_worker_only(target):
    content = inflated(target.caller.galois_keys)
    start = content.index(SEAL_HEADER.pack(0xA15E, SEAL_HEADER.size, 4, 3, 0, 0, 0)[:6])  # of the first key
    size = SEAL_HEADER.unpack_from(content, start)[-1]
    broken = saved(content[:start] + broken_off(content[start + SEAL_HEADER.size : start + size]), ZLIB)
    frame = wire.pack("galois keys", broken, parameters=LINEAR, count=11)
    assert target.send(upload(target.caller, frame)) == 422
    target.check()


@pytest.mark.parametrize("compression", [UNCOMPRESSED, ZLIB, ZSTD])
def test_the_same_content_may_be_compressed_in_any_way(target, fields, compression):
    assert score(target, saved(bytes(fields), compression)) == 200


@pytest.mark.parametrize("size", [0, 1, 3, 1 << 20, 1 << 40, (1 << 64) - 1])
def test_another_number_of_polynomials(target, fields, size):
    fields[SIZE_FIELD : SIZE_FIELD + 8] = struct.pack("<Q", size)
    assert score(target, saved(bytes(fields))) == 400


def is_refused_by_us(target: Target, payload: bytes) -> bool:
    """Whether we refuse what SEAL loads, before anything is computed: SEAL itself would do so later."""
    with pytest.raises(ValueError, match="A ciphertext of two polynomials .* but another came"):
        ciphertext_from_bytes(seal_context(LINEAR), payload, scale=LINEAR.value_scale)
    return score(target, payload) == 400


def test_polynomials_that_are_not_in_ntt_form(target, fields):
    assert fields[NTT_FIELD] == 1
    fields[NTT_FIELD] = 0
    assert is_refused_by_us(target, saved(bytes(fields)))


def test_three_polynomials_that_are_all_there(target, fields):
    fields[SIZE_FIELD : SIZE_FIELD + 8] = struct.pack("<Q", 3)
    start = FIELDS_BYTES + SEAL_HEADER.size + 8
    first = bytes(fields[start : start + POLYNOMIAL_BYTES])
    array = struct.pack("<Q", 3 * LINEAR.poly_modulus_degree) + first * 3
    assert is_refused_by_us(target, saved(bytes(fields[:FIELDS_BYTES]) + saved(array)))


@pytest.mark.parametrize("scale", [0.0, -1.0, 5e-324, 2.0**25, 2.0**60, float("inf"), float("nan")])
def test_another_scale(target, fields, scale):
    fields[SCALE_FIELD - 8 : SCALE_FIELD + 8] = struct.pack("<Qd", 1, scale)
    assert score(target, saved(bytes(fields))) == 400


@pytest.mark.parametrize("zeros", [1, 2])
def test_a_ciphertext_that_hides_nothing(target, fields, zeros):
    """One whose second polynomial is zero is its own plaintext; SEAL won't compute with it."""
    start = FIELDS_BYTES + SEAL_HEADER.size + 8
    first = bytes(fields[start : start + POLYNOMIAL_BYTES]) if zeros == 1 else bytes(POLYNOMIAL_BYTES)
    array = struct.pack("<Q", 2 * LINEAR.poly_modulus_degree) + first + bytes(POLYNOMIAL_BYTES)
    assert score(target, saved(bytes(fields[:FIELDS_BYTES]) + saved(array))) == 400


@pytest.mark.parametrize("compression", [ZLIB, ZSTD])
@pytest.mark.parametrize("start", [0, FIELDS_BYTES, FIELDS_BYTES + SEAL_HEADER.size + 8])
def test_what_inflates_to_much_more(target, fields, start, compression):
    payload = saved(bytes(fields[:start]) + bytes(60 << 20), compression)
    workers = psutil.Process(target.family[0].pid).children()
    before = target.memory()
    assert score(target, payload) == 400
    assert target.memory() - before < 20 << 20
    assert psutil.Process(target.family[0].pid).children() == workers  # none was ended


def test_the_fuzzer_sees_a_wrong_answer(target):
    class Wrong:
        process = target._service.process

        def run(self, request):
            return target.caller.client.encrypt(target.caller.values)

        def upload_keys(self, key_id, public_keys):
            pass

    with pytest.raises((Failure, ValueError)):
        Target(Wrong(), COEFFS, INTERCEPT, seed=9).check()


def test_the_fuzzer_sees_a_service_that_is_at_fault(target, monkeypatch):
    import httpx

    at_fault = httpx.MockTransport(lambda request: httpx.Response(500, json={"error": "A mistake."}))
    monkeypatch.setattr(target, "_http", httpx.Client(transport=at_fault, base_url="http://x"))
    with pytest.raises(Failure, match="status 500"):
        target.send(Attempt("POST", "/score", b"{}"))
