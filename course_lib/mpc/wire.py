"""The frames in which shares travel between a caller and a party.

Promises that what `unpack` returns is of the kind, the model and the size that were asked for; the shape
and type follow from those, so that nothing which describes a share is ever taken from outside, and nothing
is unpickled. Leaves out secrecy and proof of origin: beyond this machine those are TLS's part.
"""

import math
import struct
from collections.abc import Iterator

import numpy as np

from course_lib.i18n import N_, _

MAGIC = b"MPC1"
KINDS = (N_("a question"), N_("an answer"), N_("a weight"), N_("a program"), N_("a description"))
QUESTION, ANSWER, WEIGHT, PROGRAM, DESCRIPTION = range(len(KINDS))
_HEADER = struct.Struct("<4sB3x16sQ")  # magic, kind, the model's fingerprint, length of what follows
HEADER_BYTES = _HEADER.size
_BYTES_PER_ELEMENT = 16  # two integers of 64 bits


def pack(kind: int, content: bytes, *, fingerprint: bytes) -> bytes:
    """A frame of `kind` around `content`, for the model with this fingerprint (16 bytes).

    >>> frame = pack(QUESTION, b"content", fingerprint=bytes(16))
    >>> unpack(QUESTION, frame, fingerprint=bytes(16), length=7)
    b'content'
    """
    return _HEADER.pack(MAGIC, kind, fingerprint, len(content)) + content


def unpack(kind: int, frame: bytes, *, fingerprint: bytes, length: int) -> bytes:
    """What is in a frame, `length` bytes; ValueError where anything about it is not as expected."""
    if len(frame) < HEADER_BYTES or not frame.startswith(MAGIC):
        raise ValueError(
            _("A frame with {kind} was expected, but {size} bytes of something else came.").format(
                kind=_(KINDS[kind]), size=len(frame)
            )
        )
    _magic, came, other_fingerprint, announced = _HEADER.unpack_from(frame)
    if came != kind:
        name = _(KINDS[came]) if came < len(KINDS) else str(came)
        raise ValueError(
            _("A frame with {kind} was expected, but one with {came} came.").format(
                kind=_(KINDS[kind]), came=name
            )
        )
    if other_fingerprint != fingerprint:
        raise ValueError(
            _("A frame of this model's was expected, but one of another model's came ({kind}).").format(
                kind=_(KINDS[kind])
            )
        )
    if not announced == len(frame) - HEADER_BYTES == length:
        raise ValueError(
            _(
                "{expected} bytes of {kind} were expected, but {announced} were announced and {size} came."
            ).format(
                expected=length, kind=_(KINDS[kind]), announced=announced, size=len(frame) - HEADER_BYTES
            )
        )
    return bytes(frame[HEADER_BYTES:])


def unpack_next(kind: int, frames: Iterator[bytes], *, fingerprint: bytes) -> bytes:
    """What is in the next of `frames`, of whatever length it is."""
    frame = next(frames, b"")
    return unpack(kind, frame, fingerprint=fingerprint, length=max(0, len(frame) - HEADER_BYTES))


def share_frame_bytes(shape: tuple[int, ...]) -> int:
    """How many bytes a frame has around one party's share of a tensor of `shape`.

    >>> share_frame_bytes((1, 28, 28, 1))
    12576
    """
    return HEADER_BYTES + _BYTES_PER_ELEMENT * math.prod(shape)


def pack_share(kind: int, share: np.ndarray, *, fingerprint: bytes) -> bytes:
    """A frame around one party's share, uint64 of shape (*shape, 2)."""
    return pack(kind, share.astype("<u8", copy=False).tobytes(), fingerprint=fingerprint)


def unpack_share(kind: int, frame: bytes, *, fingerprint: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """One party's share of a tensor of `shape`; ValueError where the frame is anything else.

    >>> share = np.arange(12, dtype=np.uint64).reshape(3, 2, 2)
    >>> frame = pack_share(ANSWER, share, fingerprint=bytes(16))
    >>> bool((unpack_share(ANSWER, frame, fingerprint=bytes(16), shape=(3, 2)) == share).all())
    True
    >>> unpack_share(ANSWER, frame, fingerprint=bytes(16), shape=(3, 3))
    Traceback (most recent call last):
    ValueError: 144 bytes of an answer were expected, but 96 were announced and 96 came.
    """
    content = unpack(kind, frame, fingerprint=fingerprint, length=_BYTES_PER_ELEMENT * math.prod(shape))
    return np.frombuffer(content, "<u8").reshape(*shape, 2)


def split(body: bytes) -> Iterator[bytes]:
    """The frames of a body that is nothing but frames; ValueError where it ends within one."""
    body, start = memoryview(body), 0
    while start < len(body):
        if len(body) - start < HEADER_BYTES:
            raise ValueError(_("What came ends in the middle of a frame."))
        length = _HEADER.unpack_from(body, start)[-1]
        end = start + HEADER_BYTES + length
        if end > len(body):
            raise ValueError(_("What came ends in the middle of a frame."))
        yield bytes(body[start:end])
        start = end
