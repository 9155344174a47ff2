"""SEAL objects to bytes and back.

TenSEAL's SEAL bindings save to and load from a path only. On Linux the path is that of a file in
memory, so nothing touches a disk; elsewhere it is a file in a folder that only this user can read, deleted
(but not wiped) when the call ends. Leaves out any check of where bytes come from: that is `wire`'s part.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator

import tenseal.sealapi as seal

from course_lib.i18n import _


@contextlib.contextmanager
def _private_file(content: bytes = b"") -> Iterator[str]:
    """The path of a file in memory (Linux) or in a private folder, with `content` in it."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("seal"), "w+b") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.TemporaryDirectory(prefix="seal-") as folder:
            path = os.path.join(folder, "object")
            with open(path, "wb") as file:
                file.write(content)
            yield path


def to_bytes(seal_object) -> bytes:
    """SEAL's own compressed serialisation of a key, a ciphertext or a `Serializable` of one."""
    with _private_file() as path:
        seal_object.save(path)
        with open(path, "rb") as file:
            return file.read()


def from_bytes(seal_class, context: seal.SEALContext, data: bytes):
    """An object of `seal_class`, loaded and validated by SEAL against `context`.

    Raises ValueError where SEAL refuses the bytes.

    >>> from course_lib.he.parameters import LINEAR, seal_context
    >>> from_bytes(seal.Ciphertext, seal_context(LINEAR), b"not a ciphertext")
    Traceback (most recent call last):
    ValueError: SEAL can't read a Ciphertext from the 16 bytes that came.
    """
    loaded = seal_class()
    try:
        with _private_file(data) as path:
            loaded.load(context, path)
    except (RuntimeError, ValueError, IndexError, MemoryError) as error:
        raise ValueError(
            _("SEAL can't read a {kind} from the {size} bytes that came.").format(
                kind=seal_class.__name__, size=len(data)
            )
        ) from error
    return loaded


def level(context: seal.SEALContext, dropped: int) -> list[int]:
    """SEAL's name for the level at which that many primes of a fresh ciphertext are gone."""
    data = context.first_context_data()
    for _prime in range(dropped):
        data = data.next_context_data()
    return data.parms_id()


def ciphertext_from_bytes(
    context: seal.SEALContext, data: bytes, *, scale: float, dropped: int = 0
) -> seal.Ciphertext:
    """A ciphertext of two polynomials at `scale`, with `dropped` primes gone; ValueError for any other."""
    ciphertext = from_bytes(seal.Ciphertext, context, data)
    expected = (
        ciphertext.size() == 2
        and ciphertext.is_ntt_form()
        and ciphertext.parms_id() == level(context, dropped)
        and ciphertext.scale == scale
    )
    if not expected:
        raise ValueError(
            _(
                "A ciphertext of two polynomials at a scale of {scale:.0f} was expected, but another came."
            ).format(scale=scale)
        )
    return ciphertext
