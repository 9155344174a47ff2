"""A model on its way from its owner to a party: description, programs, the party's shares of the weights."""

import numpy as np

from course_lib.i18n import _
from course_lib.mpc import wire
from course_lib.mpc.spec import ModelSpec, digest_of


def unpack_model(body: bytes) -> tuple[ModelSpec, dict[int, bytes], list[np.ndarray]]:
    """A model's description, its programs, and a party's shares of its weights, out of their frames."""
    frames = wire.split(body)
    spec = ModelSpec.from_json(wire.unpack_next(wire.DESCRIPTION, frames, fingerprint=bytes(16)))
    fingerprint = spec.fingerprint
    programs = {
        size: wire.unpack_next(wire.PROGRAM, frames, fingerprint=fingerprint) for size in spec.batch_sizes
    }
    if tuple(map(digest_of, programs.values())) != spec.program_digests:
        raise ValueError(_("The model's programs are not those that its description names."))
    weights = [
        wire.unpack_share(wire.WEIGHT, next(frames, b""), fingerprint=fingerprint, shape=shape)
        for shape in spec.weight_shapes
    ]
    if next(frames, None) is not None:
        raise ValueError(_("More came than the model's description says."))
    return spec, programs, weights


def pack_model(spec: ModelSpec, programs: dict[int, bytes], weights: list[np.ndarray]) -> bytes:
    """The frames that `unpack_model` reads."""
    fingerprint = spec.fingerprint
    return b"".join(
        [
            wire.pack(wire.DESCRIPTION, spec.to_json().encode(), fingerprint=bytes(16)),
            *(wire.pack(wire.PROGRAM, programs[size], fingerprint=fingerprint) for size in spec.batch_sizes),
            *(wire.pack_share(wire.WEIGHT, weight, fingerprint=fingerprint) for weight in weights),
        ]
    )
