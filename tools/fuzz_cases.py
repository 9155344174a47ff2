"""The ways in which `fuzz` damages requests: what a caller may send by mistake, or on purpose.

Each function takes a `random.Random` and a `Caller` and gives an `Attempt`. Where the damage is
within what SEAL reads, the frame around it is made anew, digest included, so that SEAL gets to see it.
"""

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from course_lib.he import EILinearRegressionClient, wire
from course_lib.he.parameters import LINEAR
from tools.fuzz_damage import cut_or_grown, damaged_payload, flipped_bits, foreign_objects, odd_fields

FEATURES = 784


@dataclass(frozen=True)
class Attempt:
    """One damaged request; uploaded keys are tried out with `then_score` if they are let through."""

    method: str
    path: str
    body: bytes
    then_score: bytes | None = None


class Caller:
    """A client whose requests are good, and the parts that they are made of."""

    def __init__(self, seed: int):
        self.client = EILinearRegressionClient()
        self.key_id, self.public_keys = self.client.get_public_keys()
        self.values = np.random.default_rng(seed).random(FEATURES)
        self.data = self.client.encrypt(self.values)
        self.frame = wire.from_text(self.data[0])
        _count, self.ciphertext = wire.unpack("values", self.frame, parameters=LINEAR)
        _count, self.galois_keys = wire.unpack("galois keys", self.public_keys, parameters=LINEAR)
        self.foreign = foreign_objects()

    def request(self, **changes) -> dict:
        return {"data": self.data, "key_id": self.key_id} | changes


# --- Requests to score ----------------------------------------------------------------------------


def scoring(body) -> Attempt:
    return Attempt("POST", "/score", json.dumps(body).encode())


def damaged_text(chance: random.Random, caller: Caller) -> Attempt:
    """The base64 text of a ciphertext, as bad transport would leave it."""
    text = chance.choice([flipped_bits, cut_or_grown])(chance, caller.data[0].encode())
    return scoring(caller.request(data=[text.decode("latin-1")]))


def damaged_frame(chance: random.Random, caller: Caller) -> Attempt:
    """A ciphertext's frame, with a digest that shows it."""
    frame = chance.choice([flipped_bits, cut_or_grown, odd_fields])(chance, caller.frame)
    return scoring(caller.request(data=[wire.to_text(frame)]))


def damaged_ciphertext(chance: random.Random, caller: Caller) -> Attempt:
    """A ciphertext that only SEAL can tell to be damaged."""
    payload = damaged_payload(chance, caller.ciphertext, caller.foreign)
    frame = wire.pack("values", payload, parameters=LINEAR, count=FEATURES)
    return scoring(caller.request(data=[wire.to_text(frame)]))


def other_frame(chance: random.Random, caller: Caller) -> Attempt:
    """A frame in order, but of another kind, other parameters or another count."""
    count = chance.choice([0, 1, 783, 785, 2048, 2049, (1 << 32) - 1])
    other = bytearray(wire.pack("values", caller.ciphertext, parameters=LINEAR, count=count))
    frames = [
        bytes(other),
        caller.public_keys,
        wire.pack("scores", caller.ciphertext, parameters=LINEAR, count=FEATURES),
        wire.from_text(caller.client.encrypt(np.ones(chance.choice([1, 10, 783, 785, 3000])))[0]),
    ]
    return scoring(
        caller.request(data=[wire.to_text(chance.choice(frames))] * chance.choice([0, 1, 1, 2, 50]))
    )


def other_json(chance: random.Random, caller: Caller) -> Attempt:
    """JSON, but of another shape."""
    request = caller.request(**{chance.choice(["data", "key_id", "x"]): random_value(chance, depth=0)})
    for name in chance.choices(list(request), k=chance.choice([0, 0, 1, 2])):
        request.pop(name, None)
    return scoring(chance.choice([request, request, [request], random_value(chance, depth=0)]))


def random_value(chance: random.Random, depth: int):
    """Any value that JSON can have, and three that it can't (NaN and the infinities)."""
    leaves = [
        None,
        True,
        0,
        -1,
        10**400,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "a" * 10_000,
        "\0",
        "é",
        "\ud800",
        "../",
    ]
    if depth > 4 or chance.random() < 0.5:
        return chance.choice(leaves)
    values = [random_value(chance, depth + 1) for _value in range(chance.randrange(4))]
    return chance.choice([values, {str(number): value for number, value in enumerate(values)}])


def no_json(chance: random.Random, caller: Caller) -> Attempt:
    """What no parser should take, or not for long."""
    good = json.dumps(caller.request()).encode()
    deep = chance.choice([b"[", b'{"data":', b'[{"data":'])
    return Attempt(
        "POST",
        "/score",
        chance.choice(
            [
                b"",
                deep * chance.choice([10, 1000, 100_000]),
                flipped_bits(chance, good),
                cut_or_grown(chance, good),
                chance.randbytes(chance.randrange(1, 10_000)),
                b'{"data": [' + b"1" * chance.choice([100, 5000, 100_000]) + b"]}",
                good.replace(
                    b'"key_id"', chance.choice([b'"data"', b"key_id", b"'key_id'", b'"key_\\u0000id"'])
                ),
            ]
        ),
    )


def other_key_id(chance: random.Random, caller: Caller) -> Attempt:
    """A key id that is unknown, or none at all, in a request to score, to delete or to upload."""
    key_id = odd_key_id(chance, caller)
    quoted = "".join(f"%{byte:02x}" for byte in key_id.encode("utf-8", "surrogatepass"))
    return chance.choice(
        [
            scoring(caller.request(key_id=key_id)),
            Attempt("DELETE", f"/keys/{quoted}", b""),
            Attempt("PUT", f"/keys/{quoted}", caller.public_keys),
        ]
    )


def odd_key_id(chance: random.Random, caller: Caller) -> str:
    letters = list(caller.key_id)
    letters[chance.randrange(64)] = chance.choice(["g", "/", "\0", "\n", ".", "é", "A", "٣", "\ud800", "%"])
    return chance.choice(
        [
            chance.randbytes(32).hex(),
            "".join(letters),
            caller.key_id.upper(),
            caller.key_id[: chance.randrange(64)],
            caller.key_id + chance.choice(["0", "\n", " ", "/", "/.."]),
            "../" * chance.randrange(1, 20) + chance.choice(["etc/passwd", caller.key_id]),
            chance.choice(["*", "?", "~", "file:///etc/passwd", "memory://x", "C:\\x", "x" * 500]),
        ]
    )


def other_address(chance: random.Random, caller: Caller) -> Attempt:
    """A method or an address that there is not."""
    path = chance.choice(
        ["/", "/score/", "/keys", "/keys/", "/score%00", "/health", "//score", "/" + "x" * 500]
    )
    return Attempt(chance.choice(["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]), path, b"{}")


# --- Keys -----------------------------------------------------------------------------------------


def upload(caller: Caller, public_keys: bytes) -> Attempt:
    key_id = hashlib.sha256(public_keys).hexdigest()
    then = json.dumps(caller.request(key_id=key_id)).encode()
    return Attempt("PUT", f"/keys/{key_id}", public_keys, then)


def damaged_keys_frame(chance: random.Random, caller: Caller) -> Attempt:
    """Public keys, with a digest that shows the damage."""
    return upload(caller, chance.choice([flipped_bits, cut_or_grown, odd_fields])(chance, caller.public_keys))


def damaged_keys(chance: random.Random, caller: Caller) -> Attempt:
    """Public keys that only SEAL can tell to be damaged."""
    payload = damaged_payload(chance, caller.galois_keys, caller.foreign)
    return upload(caller, wire.pack("galois keys", payload, parameters=LINEAR, count=11))


def other_keys(chance: random.Random, caller: Caller) -> Attempt:
    """Something else where public keys should be; too much of it, now and then."""
    blobs = [b"", caller.frame, chance.randbytes(1000), caller.ciphertext, bytes(2 << 20), *caller.foreign]
    return upload(caller, chance.choice(blobs))


MUTATIONS: list[Callable[[random.Random, Caller], Attempt]] = [
    *(damaged_text, damaged_frame, damaged_ciphertext, damaged_ciphertext, other_frame),
    *(other_json, no_json, other_key_id, other_address),
    *(damaged_keys_frame, damaged_keys, damaged_keys, other_keys),
]
