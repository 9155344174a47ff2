"""What a client lets a server do: Galois keys rotate, a relinearisation key makes products small again.

Promises that a server gets the keys that its plan needs, and nothing else opens from them: neither kind
decrypts. Both hold parts of the secret key, encrypted under itself (circular security is assumed).
"""

import functools
from dataclasses import dataclass
from typing import NamedTuple

import tenseal.sealapi as seal

from course_lib.he import wire
from course_lib.he.parameters import LINEAR, Parameters, galois_elements, seal_context
from course_lib.he.serialization import from_bytes, to_bytes
from course_lib.i18n import _

KEY_MEMORY = 128 << 20  # bytes that the parsed keys of the last clients may take
MOST_CLIENTS_KEPT = 16


class PublicKeys(NamedTuple):
    """What a server holds of a client; None where nothing is rotated, or nothing is squared."""

    galois: seal.GaloisKeys | None
    relinearisation: seal.RelinKeys | None


@dataclass(frozen=True)
class KeyNeeds:
    """Which keys a plan needs: one for each of the rotations `steps`, and one to relinearise, or not.

    >>> LINEAR_NEEDS.steps[:4], LINEAR_NEEDS.relinearises, LINEAR_NEEDS.most_bytes, LINEAR_NEEDS.clients_kept
    ((1, 2, 4, 8), False, 1445888, 16)
    """

    parameters: Parameters
    steps: tuple[int, ...]
    relinearises: bool

    @property
    def most_bytes(self) -> int:
        """The most bytes that public keys of this kind can have."""
        return sum(
            wire.max_frame_bytes(kind, self.parameters, keys=len(self.steps)) for kind in self.frame_kinds
        )

    @property
    def clients_kept(self) -> int:
        """How many clients' keys stay in memory, parsed: as many as there is room for."""
        return max(1, min(MOST_CLIENTS_KEPT, KEY_MEMORY // self.most_bytes))

    @property
    def frame_kinds(self) -> tuple[str, ...]:
        """What the frames hold that follow each other in a client's public keys."""
        galois = ("galois keys",) if self.steps else ()
        return galois + (("relinearisation keys",) if self.relinearises else ())

    def make(self, generator: seal.KeyGenerator) -> bytes:
        """The public keys of the secret key in `generator`: one frame, or two that follow each other."""
        elements = galois_elements(self.parameters, self.steps)
        frames = {
            "galois keys": lambda: (generator.create_galois_keys(elements), len(elements)),
            "relinearisation keys": lambda: (generator.create_relin_keys(), 1),
        }
        blob = b""
        for kind in self.frame_kinds:
            keys, count = frames[kind]()
            blob += wire.pack(kind, to_bytes(keys), parameters=self.parameters, count=count)
        return blob

    def load(self, public_keys: bytes) -> PublicKeys:
        """The keys in what a client's `get_public_keys()` returned; those of the last clients are kept.

        Raises ValueError where the bytes are damaged, of other parameters, or lack a key.
        """
        if not isinstance(public_keys, bytes):
            raise ValueError(
                _("The public keys should be bytes, but a value of type {came} came.").format(
                    came=type(public_keys).__name__
                )
            )
        return parser(self)(public_keys)


LINEAR_NEEDS = KeyNeeds(
    LINEAR, tuple(1 << i for i in range(LINEAR.slots.bit_length() - 1)), relinearises=False
)


@functools.cache
def parser(needs: KeyNeeds):
    """What parses keys, and remembers those of the last clients; see `KeyNeeds.load`."""
    return functools.lru_cache(needs.clients_kept)(functools.partial(_parsed, needs))


def _parsed(needs: KeyNeeds, public_keys: bytes) -> PublicKeys:
    kinds, payloads = needs.frame_kinds, {}
    for kind, frame in zip(kinds, wire.split(public_keys, len(kinds)), strict=True):
        _count, payloads[kind] = wire.unpack(kind, frame, parameters=needs.parameters, keys=len(needs.steps))
    context, galois, relinearisation = seal_context(needs.parameters), None, None
    if needs.steps:
        galois = from_bytes(seal.GaloisKeys, context, payloads["galois keys"])
        elements = galois_elements(needs.parameters, needs.steps)
        missing = [element for element in elements if not galois.has_key(element)]
        if missing:
            raise ValueError(
                _(
                    "The public keys should hold {count} Galois keys, but {missing} of them are missing."
                ).format(count=len(elements), missing=len(missing))
            )
    if needs.relinearises:
        relinearisation = from_bytes(seal.RelinKeys, context, payloads["relinearisation keys"])
        if not relinearisation.has_key(2):  # the key for what a square has: the secret key, squared
            raise ValueError(_("The public keys should hold a relinearisation key, but it is missing."))
    return PublicKeys(galois, relinearisation)
