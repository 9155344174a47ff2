"""Noise for votes, from a generator that the caller names: one protects people, the other repeats itself.

`SecureNoise` promises what the accounting takes for granted. Noise drawn as floating-point numbers has gaps,
and a noisy number can betray the number below the noise (Mironov 2012, "On significance of the least
significant bits for differential privacy"). PATE gives out less, a label or whether a threshold was passed,
but the proofs are about real numbers, so here no proof has to bend:

- noise is drawn by exact integer arithmetic (Canonne, Kamath and Steinke 2020, "The discrete Gaussian for
  differential privacy", in OpenDP) as a multiple of a step of about 2**-40 of its scale; a vote is a whole
  number of steps, so that noisy votes are multiples of a step whatever the votes are;
- adding noise to a count in floating point rounds a number that was exact: that, and the label or the bit
  made from it, is computed from the noisy votes alone, which costs nothing more.

For noise so drawn, RDP of GNMax (Proposition 8 of Papernot et al. 2018) and pure differential privacy of
LNMax hold as they stand. *Exact* Gaussian accounting, the RDP of Laplace noise and the data-dependent
theorems are about continuous noise. One draw is nearer than 1e-24 to continuous noise rounded to a step, in
total variation: that adds less than (1 + exp(ε)) * 1e-24 a draw to δ. And noisy counts may be equal, with a
probability below 1e-12 for two of them: then the class with the smaller number wins.

Leaves out: how long a draw takes, which tells something to whoever can time it to the microsecond.
"""

import math
from typing import Protocol

import numpy as np

from course_lib.i18n import _
from course_lib.pate.accounting.checks import checked_positive

#: A scale has 2**40 to 2**41 steps: as float64, noise up to 2**12 times its scale is exact.
SCALE_STEPS_BITS = 41
#: The largest scale is 2**20 and the least 2**-20: a step is a millionth of a vote, or less.
SCALE_BITS = 20


class Noise(Protocol):
    """What mechanisms ask of noise; `protects_anyone` goes into the ledger."""

    protects_anyone: bool

    def gaussian(self, sigma: float, shape: int | tuple[int, ...]) -> np.ndarray:
        """Independent normal numbers with mean 0 and standard deviation `sigma`."""

    def laplace(self, scale: float, shape: int | tuple[int, ...]) -> np.ndarray:
        """Independent numbers with density exp(-abs(x) / scale) / (2 * scale)."""


class SeededNoise:
    """Noise that anybody who knows the seed can take away again: for lessons and tests, it protects nobody.

    Continuous noise, as good as floating-point numbers are. Raises ValueError for a seed that is no whole
    number from 0 up.

    >>> SeededNoise(7).gaussian(40, 3).round(1)
    array([  0. ,  11.9, -11. ])
    """

    protects_anyone = False

    def __init__(self, seed: int):
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
            message = _("A seed must be a whole number from 0 up, but {value} came.")
            raise ValueError(message.format(value=repr(seed)))
        self._random = np.random.default_rng(seed)

    def gaussian(self, sigma: float, shape: int | tuple[int, ...]) -> np.ndarray:
        """Normal noise, float64; ValueError for a sigma that is no number above 0."""
        return self._random.normal(scale=checked_positive("sigma", sigma), size=shape)

    def laplace(self, scale: float, shape: int | tuple[int, ...]) -> np.ndarray:
        """Laplace noise, float64; ValueError for a scale that is no number above 0."""
        return self._random.laplace(scale=checked_positive("scale", scale), size=shape)


class SecureNoise:
    """Noise that nobody can tell from chance: OpenDP's exact samplers on a cryptographic generator.

    The generator is OpenSSL's, which the operating system seeds (anew in each forked process). Takes about 20
    microseconds a number. Raises ValueError for a sigma or scale outside 2**-20 to 2**20.

    >>> noise = SecureNoise()
    >>> noise.gaussian(40, (2, 3)).shape, noise.laplace(20, 4).dtype
    ((2, 3), dtype('float64'))
    """

    protects_anyone = True

    def gaussian(self, sigma: float, shape: int | tuple[int, ...]) -> np.ndarray:
        """Discrete Gaussian noise on multiples of a step, float64."""
        from opendp.measurements import make_gaussian
        from opendp.metrics import l2_distance

        return _exact(make_gaussian, l2_distance(T="f64"), _checked_scale("sigma", sigma), shape)

    def laplace(self, scale: float, shape: int | tuple[int, ...]) -> np.ndarray:
        """Discrete Laplace noise on multiples of a step, float64."""
        from opendp.measurements import make_laplace
        from opendp.metrics import l1_distance

        return _exact(make_laplace, l1_distance(T="i64"), _checked_scale("scale", scale), shape)


def _checked_scale(name: str, scale: float) -> float:
    scale = checked_positive(name, scale)
    if not 2.0**-SCALE_BITS <= scale <= 2.0**SCALE_BITS:
        message = _(
            "To draw noise exactly, {name} must lie between 2**-{bits} and 2**{bits}, but {value} came."
        )
        raise ValueError(message.format(name=name, bits=SCALE_BITS, value=scale))
    return scale


def _exact(make_measurement, metric, scale: float, shape: int | tuple[int, ...]) -> np.ndarray:
    """What the OpenDP measurement adds to zeros, counted in steps; a step is a power of two."""
    from opendp.domains import atom_domain, vector_domain
    from opendp.mod import enable_features

    enable_features("contrib")  # OpenDP's word for what has a written proof, but no second reviewer yet
    steps = 2.0 ** (SCALE_STEPS_BITS - math.frexp(scale)[1])
    measurement = make_measurement(vector_domain(atom_domain(T="i64")), metric, scale=scale * steps)
    size = math.prod(np.atleast_1d(shape).tolist())
    drawn = np.array(measurement([0] * size) if size else [], dtype=np.int64)
    return (drawn / steps).reshape(shape)
