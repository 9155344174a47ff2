"""The frame in which ciphertexts and keys travel.

Promises that what `unpack` returns is of the kind, size and parameters that were asked for and has
not been damaged on the way: each frame carries a SHA-256 of itself. A digest is no signature: whoever
can change a message can also renew its digest, so use TLS between machines.
"""

import base64
import binascii
import hashlib
import struct

from course_lib.he.parameters import Parameters
from course_lib.i18n import N_, _

MAGIC = b"CKF1"
KINDS = (N_("values"), N_("scores"), N_("galois keys"), N_("secret key"), N_("relinearisation keys"))
_HEADER = struct.Struct("<4sB8sII")  # magic, kind, fingerprint of the parameters, count, payload's length
_DIGEST_BYTES = hashlib.sha256().digest_size
_OVERHEAD_BYTES = 4096  # our header, SEAL's headers, and what compression can add to random bytes


def max_frame_bytes(kind: str, parameters: Parameters, *, keys: int | None = None) -> int:
    """The most bytes that a frame of this kind can have; a larger one is refused.

    `keys` is the number of Galois keys: one for each power of two, unless given.

    >>> from course_lib.he.parameters import LINEAR
    >>> max_frame_bytes("values", LINEAR), max_frame_bytes("galois keys", LINEAR)
    (69632, 1445888)
    """
    primes = len(parameters.coeff_modulus_bits)
    polynomial = parameters.poly_modulus_degree * 8
    switching_key = 2 * (primes - 1) * primes * polynomial
    keys = parameters.slots.bit_length() - 1 if keys is None else keys
    payload = {
        "values": 2 * (primes - 1) * polynomial,
        "scores": 2 * (primes - 1) * polynomial,
        "secret key": primes * polynomial,
        "galois keys": switching_key * keys,
        "relinearisation keys": switching_key,
    }[kind]
    return payload + _OVERHEAD_BYTES


def pack(kind: str, payload: bytes, *, parameters: Parameters, count: int) -> bytes:
    """A frame of `kind` around `payload`; `count` is how many values, scores or keys it holds.

    >>> from course_lib.he.parameters import LINEAR
    >>> frame = pack("values", b"payload", parameters=LINEAR, count=784)
    >>> unpack("values", frame, parameters=LINEAR)
    (784, b'payload')
    """
    header = _HEADER.pack(MAGIC, KINDS.index(kind), parameters.fingerprint, count, len(payload))
    return header + hashlib.sha256(header + payload).digest() + payload


def unpack(kind: str, frame: bytes, *, parameters: Parameters, keys: int | None = None) -> tuple[int, bytes]:
    """The count and the payload of a frame; ValueError where anything about it is not as expected."""
    limit = max_frame_bytes(kind, parameters, keys=keys)
    if len(frame) > limit:
        raise ValueError(
            _("At most {limit} bytes of {kind} were expected, but {size} came.").format(
                limit=limit, kind=_(kind), size=len(frame)
            )
        )
    start = _HEADER.size + _DIGEST_BYTES
    if len(frame) < start or not frame.startswith(MAGIC):
        raise ValueError(
            _("A frame with {kind} was expected, but {size} bytes of something else came.").format(
                kind=_(kind), size=len(frame)
            )
        )
    header, digest, payload = frame[: _HEADER.size], frame[_HEADER.size : start], frame[start:]
    _magic, kind_index, fingerprint, count, length = _HEADER.unpack(header)
    if length != len(payload):
        raise ValueError(
            _("A frame with {kind} should have {expected} bytes after its header, but has {size}.").format(
                kind=_(kind), expected=length, size=len(payload)
            )
        )
    if hashlib.sha256(header + payload).digest() != digest:
        raise ValueError(
            _("A frame with {kind} was damaged: its SHA-256 does not match.").format(kind=_(kind))
        )
    if kind_index != KINDS.index(kind):
        came = KINDS[kind_index] if kind_index < len(KINDS) else str(kind_index)
        raise ValueError(
            _("A frame with {kind} was expected, but one with {came} came.").format(
                kind=_(kind), came=_(came)
            )
        )
    if fingerprint != parameters.fingerprint:
        raise ValueError(
            _(
                "The {kind} were made with other parameters (fingerprint {came} instead of {expected})."
            ).format(kind=_(kind), came=fingerprint.hex(), expected=parameters.fingerprint.hex())
        )
    return count, payload


def split(frames: bytes, number: int) -> list[bytes]:
    """So many frames that follow each other, unread: `unpack` judges each, and the last has what is left.

    >>> from course_lib.he.parameters import LINEAR
    >>> one, two = (pack("values", payload, parameters=LINEAR, count=1) for payload in (b"1", b"two"))
    >>> split(one + two, 2) == [one, two]
    True
    """
    parts = []
    for _number in range(number - 1):
        length = _HEADER.unpack_from(frames)[-1] if len(frames) >= _HEADER.size else 0
        end = _HEADER.size + _DIGEST_BYTES + length
        parts.append(frames[:end])
        frames = frames[end:]
    return [*parts, frames]


def to_text(frame: bytes) -> str:
    """The frame as base64, for JSON."""
    return base64.b64encode(frame).decode("ascii")


def from_text(text: str) -> bytes:
    """The frame back from base64; ValueError where it is none.

    >>> from_text("not base64!")
    Traceback (most recent call last):
    ValueError: A text in base64 was expected, but 11 characters of something else came.
    """
    if not isinstance(text, str):
        raise ValueError(
            _("A text in base64 was expected, but a value of type {came} came.").format(
                came=type(text).__name__
            )
        )
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(
            _("A text in base64 was expected, but {size} characters of something else came.").format(
                size=len(text)
            )
        ) from error
