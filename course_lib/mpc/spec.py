"""What parties and clients know of a shared model: its shapes and its programs, and none of its numbers."""

import hashlib
import json
import math
import re
from dataclasses import asdict, dataclass

from course_lib.i18n import _

PARTIES = ("alice", "bob", "carol")
MOST_ELEMENTS = 16 << 20  # of one tensor: 256 MiB in a party's share
MOST_AXES = 8
MOST_WEIGHTS = 10_000
MOST_BATCH_SIZES = 16


@dataclass(frozen=True)
class ModelSpec:
    """A shared model as everybody may see it; shapes are those of one example, without the batch.

    `model_id` is drawn anew each time a model is shared: shares of two sharings do not fit together.
    `program_digests` are SHA-256 of the programs, in the order of `batch_sizes`: the three parties and the
    clients know that they mean the same ones.

    >>> spec = ModelSpec("0" * 32, (28, 28, 1), (10,), (1, 64), ((64, 10), (10,)), ("0" * 64, "1" * 64))
    >>> spec.batch_size_for(10)
    64
    >>> ModelSpec.from_json(spec.to_json()) == spec
    True
    """

    model_id: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    batch_sizes: tuple[int, ...]
    weight_shapes: tuple[tuple[int, ...], ...]
    program_digests: tuple[str, ...]

    def __post_init__(self):
        if not re.fullmatch("[0-9a-f]{32}", self.model_id):
            raise ValueError(_("A model id of 32 hexadecimal digits was expected."))
        if not 1 <= len(self.batch_sizes) <= MOST_BATCH_SIZES or len(self.weight_shapes) > MOST_WEIGHTS:
            raise ValueError(_("The description of a model lists too much, or no batch size."))
        if len(self.program_digests) != len(self.batch_sizes) or not all(
            re.fullmatch("[0-9a-f]{64}", digest) for digest in self.program_digests
        ):
            raise ValueError(_("A SHA-256 for the program of each batch size was expected."))
        tensors = [
            *((size, *shape) for size in self.batch_sizes for shape in (self.input_shape, self.output_shape)),
            *self.weight_shapes,
        ]
        for shape in tensors:
            if (
                len(shape) > MOST_AXES
                or any(length < 1 for length in shape)
                or math.prod(shape) > MOST_ELEMENTS
            ):
                raise ValueError(
                    _(
                        "Tensors of at most {most} elements were expected, but one has the shape {shape}."
                    ).format(most=MOST_ELEMENTS, shape=shape)
                )

    def batch_size_for(self, examples: int) -> int:
        """The smallest batch that holds so many examples; ValueError where none does."""
        fitting = [size for size in self.batch_sizes if size >= examples >= 1]
        if not fitting:
            raise ValueError(
                _("Between 1 and {most} examples at once were expected, but {came} came.").format(
                    most=max(self.batch_sizes), came=examples
                )
            )
        return min(fitting)

    @property
    def fingerprint(self) -> bytes:
        """Sixteen bytes that differ when anything differs."""
        return hashlib.sha256(self.to_json().encode()).digest()[:16]

    def to_json(self) -> str:
        """The description as text, the same each time."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> "ModelSpec":
        """The description back from text; ValueError where it is none."""
        try:
            fields = json.loads(text)
            return cls(
                model_id=str(fields["model_id"]),
                input_shape=_lengths(fields["input_shape"]),
                output_shape=_lengths(fields["output_shape"]),
                batch_sizes=_lengths(fields["batch_sizes"]),
                weight_shapes=tuple(map(_lengths, fields["weight_shapes"])),
                program_digests=tuple(map(str, fields["program_digests"])),
            )
        except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise ValueError(_("The description of a model can't be read.")) from error


def digest_of(program: bytes) -> str:
    """What a description says of a program: its SHA-256, 64 hexadecimal digits."""
    return hashlib.sha256(program).hexdigest()


def _lengths(numbers) -> tuple[int, ...]:
    if not isinstance(numbers, list) or not all(type(number) is int for number in numbers):
        raise TypeError("a list of whole numbers")
    return tuple(numbers)
