"""The compiled plan of a model: which rotations, levels, scales and keys, before anything is encrypted.

A plan follows from public numbers alone; the weights fill it. Client and server compile the same one, so that
the client makes no key that is not needed, and knows at which scale its answer has to come.

There is one rule for levels: each square is relinearised and then rescaled, which costs one prime. Products
with weights are not rescaled: the next square's rescaling takes their scale away as well. So a network with
two squares needs three primes, and a linear model one.
"""

import functools
import unicodedata
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from course_lib.he.image_packing import ImageLayout, NetworkShape
from course_lib.he.layer_packing import ConvolutionLayout, DenseLayout
from course_lib.he.packing import ValueLayout, WeightLayout, lanes_for
from course_lib.he.parameters import LINEAR, NETWORK, NETWORK_WEIGHT_SCALES, Parameters, seal_context
from course_lib.he.public_keys import LINEAR_NEEDS, KeyNeeds
from course_lib.i18n import _

BABY_STEPS = 8  # of 64 shifts: the number that makes baby and giant steps fewest
LAST_BABY_STEPS = 4  # of 16


class Step(NamedTuple):
    """One row of a plan: what is done at which level and scale, and how often.

    `primes` are those that the result has; `scale_bits` and `room_bits` say that a result v is stored as
    v * 2**scale_bits, and fits while |v| < 2**room_bits.
    """

    name: str
    primes: int
    scale_bits: float
    room_bits: float
    products: int = 0
    rotations: int = 0
    relinearisations: int = 0


@dataclass(frozen=True)
class Plan:
    """What a server does to `values.ciphertexts` ciphertexts: `layers`, with a square between each two.

    `weight_scales` has the scale of each layer's weights. `needs` says which keys that takes.
    """

    parameters: Parameters
    values: ValueLayout | ImageLayout
    layers: tuple[WeightLayout | ConvolutionLayout | DenseLayout, ...]
    weight_scales: tuple[float, ...]
    classes: int
    needs: KeyNeeds

    @functools.cached_property
    def primes(self) -> tuple[int, ...]:
        """The primes of a fresh ciphertext; the last is the first to go."""
        moduli = seal_context(self.parameters).first_context_data().parms().coeff_modulus()
        return tuple(modulus.value() for modulus in moduli)

    @functools.cached_property
    def input_scales(self) -> tuple[float, ...]:
        """The scale of what comes into each layer."""
        scales = [self.parameters.value_scale]
        for number, weight_scale in enumerate(self.weight_scales[:-1]):
            product = scales[-1] * weight_scale
            scales.append(product * product / self.primes[-1 - number])
        return tuple(scales)

    @property
    def score_scale(self) -> float:
        """The scale of the scores: a score s is stored as about s * score_scale."""
        return self.input_scales[-1] * self.weight_scales[-1]

    @property
    def max_score(self) -> float:
        """The largest absolute score that is sure to fit; far beyond it, numbers wrap around."""
        return 2.0 ** (self.parameters.coeff_modulus_bits[0] - 1) / self.score_scale

    def room(self, dropped: int, scale: float) -> float:
        """Below which size values at `scale` are sure to fit once that many primes are gone."""
        primes = self.primes[: len(self.primes) - dropped]
        return 2.0 ** float(sum(np.log2(primes)) - 1 - np.log2(scale))

    def steps(self) -> list[Step]:
        """The plan's rows, in the order in which the server works."""
        rows, primes = (
            [self._step(_("encrypted values"), len(self.primes), self.parameters.value_scale)],
            len(self.primes),
        )
        for number, (layer, weight_scale) in enumerate(zip(self.layers, self.weight_scales, strict=True)):
            if number:
                primes -= 1
                rows.append(self._step(_("square"), primes, self.input_scales[number], relinearisations=1))
            products = sum(map(len, layer.shifts)) * len(layer.terms)
            scale = self.input_scales[number] * weight_scale
            rows.append(self._step(layer.name, primes, scale, products=products, rotations=layer.rotations))
        return rows

    def _step(self, name: str, primes: int, scale: float, **counts) -> Step:
        room = self.room(len(self.primes) - primes, scale)
        return Step(name, primes, float(np.log2(scale)), float(np.log2(room)), **counts)

    def table(self) -> str:
        """The plan as a table in plain text, for people."""
        header = (
            *(_("step"), _("primes"), _("scale"), _("room")),
            *(_("products"), _("rotations"), _("relinearisations")),
        )
        cells = [
            (
                *(row.name, str(row.primes), f"2^{row.scale_bits:.0f}", f"2^{row.room_bits:.0f}"),
                *(str(count or "") for count in row[4:]),
            )
            for row in self.steps()
        ]
        widths = [max(map(_columns, column)) for column in zip(header, *cells, strict=True)]
        lines = []
        for row in (header, *cells):
            spaces = [" " * (width - _columns(cell)) for cell, width in zip(row, widths, strict=True)]
            numbers = [space + cell for cell, space in zip(row[1:], spaces[1:], strict=True)]
            lines.append("  ".join([row[0] + spaces[0], *numbers]))
        return "\n".join(lines)


def _columns(text: str) -> int:
    """How wide a text is in a fixed-width font: a Japanese or Chinese character takes two columns.

    >>> _columns("square"), _columns("\u5e73\u65b9")
    (6, 4)
    """
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def linear_plan(values: ValueLayout, classes: int) -> Plan:
    """The plan of a linear model: one layer.

    The client knows no model: it makes keys for all powers of two.

    >>> print(linear_plan(ValueLayout(features=784, slots=2048), classes=10).table())
    step              primes  scale  room  products  rotations  relinearisations
    encrypted values       1   2^26  2^33
    weights                1   2^50   2^9         8         14
    """
    return Plan(
        LINEAR, values, (WeightLayout(values, classes),), (LINEAR.weight_scale,), classes, LINEAR_NEEDS
    )


@functools.cache
def network_plan(shape: NetworkShape, layout: str = "im2col") -> Plan:
    """The plan of a network: convolution, square, dense, square, dense.

    >>> plan = network_plan(NetworkShape())
    >>> [(step.primes, round(step.scale_bits)) for step in plan.steps()]
    [(3, 20), (3, 36), (2, 20), (2, 41), (1, 30), (1, 45)]
    >>> len(plan.needs.steps), len(network_plan(NetworkShape(), "compact").needs.steps)
    (16, 17)
    """
    image = ImageLayout(shape, NETWORK.slots, layout)
    lanes = lanes_for(shape.classes)
    layers = (
        ConvolutionLayout(image),
        DenseLayout(NETWORK.slots, shape.hidden, min(BABY_STEPS, shape.hidden), NETWORK.slots),
        DenseLayout(shape.hidden, lanes, min(LAST_BABY_STEPS, lanes), NETWORK.slots),
    )
    steps = sorted({step for layer in layers for step in layer.steps})
    needs = KeyNeeds(NETWORK, tuple(steps), relinearises=True)
    return Plan(NETWORK, image, layers, NETWORK_WEIGHT_SCALES, shape.classes, needs)
