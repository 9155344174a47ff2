"""Damage to bytes, from a flipped bit to content made for SEAL to choke on.

Each function takes a `random.Random` and the bytes, and gives others. What SEAL saves is a header of 16
bytes and content, compressed or not; `saved` and `inflated` go from one to the other.
"""

import io
import random
import struct
import zlib

import pyarrow
import tenseal.sealapi as seal

from course_lib.he.serialization import to_bytes

SEAL_HEADER = struct.Struct("<HBBBBHQ")  # magic, its own size, version (2), compression, reserved, size
UNCOMPRESSED, ZLIB, ZSTD = range(3)
ODD_NUMBERS = [
    0,
    1,
    2,
    3,
    4,
    5,
    255,
    4095,
    4096,
    8192,
    65535,
    1 << 20,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    1 << 40,
]
ODD_NUMBERS += [1 << 61, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
ODD_FLOATS = [0.0, -1.0, 5e-324, 1e-300, 1e308, float("inf"), float("-inf"), float("nan"), 2.0**26, 2.0**49]


def flipped_bits(chance: random.Random, blob: bytes) -> bytes:
    damaged = bytearray(blob)
    reach = chance.choice([64, 256, len(blob)])  # headers are worth more than their share
    for _flip in range(chance.choice([1, 1, 2, 20])):
        damaged[chance.randrange(min(reach, len(blob)))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def cut_or_grown(chance: random.Random, blob: bytes) -> bytes:
    start, end = sorted(chance.choices(range(len(blob)), k=2))
    return chance.choice(
        [
            blob[:start],
            blob[start:],
            blob[:start] + blob[end:],
            blob[:start] + blob[start:end] * 2 + blob[end:],
            blob[:start] + bytes(end - start) + blob[end:],
            blob + chance.randbytes(chance.randrange(1, 1000)),
            blob[:start] + chance.randbytes(chance.randrange(1, 100)) + blob[start:],
        ]
    )


def odd_fields(chance: random.Random, blob: bytes) -> bytes:
    """Numbers that no one expects, where SEAL looks for sizes, scales and residues."""
    damaged = bytearray(blob)
    reach = min(chance.choice([96, 200, 20_000, len(blob)]), len(blob) - 8)
    for _field in range(chance.choice([1, 1, 2, 3])):
        number = chance.choice(
            [
                struct.pack("<Q", chance.choice(ODD_NUMBERS)),
                struct.pack("<d", chance.choice(ODD_FLOATS)),
                chance.randbytes(8),
                chance.randbytes(1),
            ]
        )
        position = chance.randrange(reach)
        if chance.random() < 0.7:
            position -= position % 8
        damaged[position : position + len(number)] = number
    return bytes(damaged)


def inflated(payload: bytes) -> bytes:
    """What is in SEAL's compressed serialisation, without its header."""
    return pyarrow.CompressedInputStream(io.BytesIO(payload[SEAL_HEADER.size :]), "zstd").read()


def saved(content: bytes, compression: int = UNCOMPRESSED) -> bytes:
    """`content` as SEAL would save it, with a header in order."""
    packed = {
        UNCOMPRESSED: lambda: content,
        ZLIB: lambda: zlib.compress(content),
        ZSTD: lambda: pyarrow.compress(content, codec="zstd", asbytes=True),
    }[compression]()
    size = SEAL_HEADER.size + len(packed)
    return SEAL_HEADER.pack(0xA15E, SEAL_HEADER.size, 4, 3, compression, 0, size) + packed


def damaged_payload(chance: random.Random, payload: bytes, foreign: list[bytes]) -> bytes:
    """Something for SEAL to choke on."""
    compression = chance.choice([UNCOMPRESSED, ZLIB, ZSTD])
    match chance.randrange(7):
        case 0:
            return flipped_bits(chance, payload)
        case 1:
            return cut_or_grown(chance, payload)
        case 2:
            return saved(odd_fields(chance, inflated(payload)), compression)
        case 3:
            return saved(cut_or_grown(chance, inflated(payload)), compression)
        case 4:
            fields = list(SEAL_HEADER.unpack(payload[: SEAL_HEADER.size]))
            place = chance.randrange(len(fields))
            most = (1 << 64 if place == 6 else 1 << 16 if place in (0, 5) else 1 << 8) - 1
            fields[place] = chance.choice([number for number in ODD_NUMBERS if number <= most])
            return SEAL_HEADER.pack(*fields) + payload[SEAL_HEADER.size :]
        case 5:  # a bomb: it inflates to thousands of times its size
            start = inflated(payload)[: chance.choice([0, 40, 73, 89, 1000])]
            return saved(
                start + bytes(chance.choice([1 << 20, 1 << 24, 1 << 26])), chance.choice([ZLIB, ZSTD])
            )
        case _:
            return chance.choice(foreign)


def foreign_objects() -> list[bytes]:
    """What SEAL saved, but of other parameters, another scheme, or another kind."""
    objects = []
    for scheme, degree, bits in [
        (seal.SCHEME_TYPE.CKKS, 2048, [54]),
        (seal.SCHEME_TYPE.CKKS, 4096, [60, 49]),
        (seal.SCHEME_TYPE.CKKS, 4096, [36, 36, 37]),
        (seal.SCHEME_TYPE.CKKS, 8192, [60, 40, 60]),
        (seal.SCHEME_TYPE.BFV, 4096, [36, 36, 37]),
    ]:
        settings = seal.EncryptionParameters(scheme)
        settings.set_poly_modulus_degree(degree)
        settings.set_coeff_modulus(seal.CoeffModulus.Create(degree, bits))
        if scheme == seal.SCHEME_TYPE.BFV:
            settings.set_plain_modulus(seal.PlainModulus.Batching(degree, 20))
        context = seal.SEALContext(settings, True, seal.SEC_LEVEL_TYPE.TC128)
        generator = seal.KeyGenerator(context)
        zero = seal.Ciphertext()
        seal.Encryptor(context, generator.secret_key()).encrypt_zero_symmetric(zero)
        objects += [to_bytes(settings), to_bytes(generator.secret_key()), to_bytes(zero)]
        if len(bits) > 1:
            public_key = seal.PublicKey()
            generator.create_public_key(public_key)
            objects += [to_bytes(generator.create_relin_keys()), to_bytes(public_key)]
    return objects
