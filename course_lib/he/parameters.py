"""CKKS parameters: how many slots, how much precision, how much security.

Promises that every context made here has 128-bit security by the table of the
HomomorphicEncryption.org standard (2018), because SEAL itself refuses anything larger.
Leaves out every other scheme, and bootstrapping: a ciphertext has the levels it starts with.
"""

import functools
import hashlib
from dataclasses import dataclass

import tenseal.sealapi as seal

from course_lib.i18n import _

# HomomorphicEncryption.org, "Homomorphic Encryption Standard", 2018, table 1: the most bits that all
# primes together may have for 128-bit security against classical attacks (ternary secret key). Newer
# estimates ("Security Guidelines for Implementing Homomorphic Encryption", 2024) allow 106 at degree 4096,
# and 214 at 8192.
MAX_COEFF_MODULUS_BITS = {1024: 27, 2048: 54, 4096: 109, 8192: 218, 16384: 438, 32768: 881}


@dataclass(frozen=True)
class Parameters:
    """The public numbers that client and server must share; all sizes in bits unless said.

    `poly_modulus_degree` N gives N/2 slots. `coeff_modulus_bits` are the sizes of the primes, the
    last being the special prime that only key switching uses. A value v is stored as about
    v * value_scale, a weight w as about w * weight_scale.

    >>> LINEAR.slots, sum(LINEAR.coeff_modulus_bits), LINEAR.max_score
    (2048, 106, 512.0)
    """

    poly_modulus_degree: int
    coeff_modulus_bits: tuple[int, ...]
    value_scale: float
    weight_scale: float

    @property
    def slots(self) -> int:
        """How many numbers one ciphertext holds."""
        return self.poly_modulus_degree // 2

    @property
    def score_scale(self) -> float:
        """The scale of a product: a score s is stored as about s * score_scale."""
        return self.value_scale * self.weight_scale

    @property
    def max_score(self) -> float:
        """The largest absolute score that is sure to fit; far beyond it, numbers wrap around."""
        return 2.0 ** (self.coeff_modulus_bits[0] - 1) / self.score_scale

    @property
    def max_value(self) -> float:
        """The largest absolute value that can be encrypted (16 times below where it would wrap)."""
        return 2.0 ** (self.coeff_modulus_bits[0] - 5) / self.value_scale

    @property
    def max_weight(self) -> float:
        """The largest absolute weight that can be encoded (16 times below where it would wrap)."""
        return 2.0 ** (self.coeff_modulus_bits[0] - 5) / self.weight_scale

    @property
    def value_error(self) -> float:
        """The standard deviation of a slot's error after encryption: 3.2 for each of N coefficients."""
        return 3.2 * self.poly_modulus_degree**0.5 / self.value_scale

    @property
    def weight_error(self) -> float:
        """The standard deviation of a slot's error after encoding: that of rounding N coefficients."""
        return (self.poly_modulus_degree / 12) ** 0.5 / self.weight_scale

    @property
    def fingerprint(self) -> bytes:
        """Eight bytes that differ when any parameter differs."""
        return hashlib.sha256(repr(self).encode()).digest()[:8]


# One multiplication is all that a linear model needs, so no prime is spent on rescaling: one of 60 bits has
# room for the product's scale, 2**50, and for scores up to 2**9. All rotations come after the multiplication,
# so the noise that they add, large because the special prime is small, is far below the last digit there.
LINEAR = Parameters(
    poly_modulus_degree=4096, coeff_modulus_bits=(60, 46), value_scale=2.0**26, weight_scale=2.0**24
)

# A network with two squares: three primes for the numbers, of which each square's rescaling takes one, and
# one for key switching. A rotation with three thick primes takes a third of one with six thin ones. All are
# 214 bits, what the guidelines of 2024 allow at degree 8192 (SEAL's table: 218). The special prime is larger
# than the others, so that even a rotation before a product adds hardly more noise than a rescaling.
NETWORK = Parameters(
    poly_modulus_degree=8192, coeff_modulus_bits=(52, 52, 52, 58), value_scale=2.0**20, weight_scale=2.0**16
)
# The scales of the three layers' weights. More bits for one are fewer for the others: what the scores are
# stored at must leave room below the last prime.
NETWORK_WEIGHT_SCALES = (NETWORK.weight_scale, 2.0**21, 2.0**15)


@functools.cache
def seal_context(parameters: Parameters) -> seal.SEALContext:
    """SEAL's validated context for these parameters, made once per process.

    Raises ValueError where the parameters miss 128-bit security or SEAL refuses them.

    >>> seal_context(LINEAR).parameters_set()
    True
    >>> seal_context(Parameters(4096, (60, 60), 2.0**26, 2.0**23))
    Traceback (most recent call last):
    ValueError: 128-bit security at degree 4096 allows 109 bits of primes in all, but (60, 60) are 120.
    """
    degree, bits = parameters.poly_modulus_degree, parameters.coeff_modulus_bits
    if degree not in MAX_COEFF_MODULUS_BITS:
        raise ValueError(
            _("The degree must be one of {allowed}, but {degree} came.").format(
                allowed=sorted(MAX_COEFF_MODULUS_BITS), degree=degree
            )
        )
    if sum(bits) > MAX_COEFF_MODULUS_BITS[degree]:
        raise ValueError(
            _(
                "128-bit security at degree {degree} allows {allowed} bits of primes in all,"
                " but {bits} are {total}."
            ).format(degree=degree, allowed=MAX_COEFF_MODULUS_BITS[degree], bits=bits, total=sum(bits))
        )
    settings = seal.EncryptionParameters(seal.SCHEME_TYPE.CKKS)
    settings.set_poly_modulus_degree(degree)
    settings.set_coeff_modulus(seal.CoeffModulus.Create(degree, list(bits)))
    context = seal.SEALContext(settings, True, seal.SEC_LEVEL_TYPE.TC128)
    if not context.parameters_set():
        raise ValueError(
            _("SEAL refuses the parameters {bits}: {reason}").format(
                bits=bits, reason=context.parameters_error_message()
            )
        )
    return context


def galois_elements(parameters: Parameters, steps: tuple[int, ...] | None = None) -> list[int]:
    """The Galois elements whose keys rotate by `steps`, or by 1, 2, 4, ... slots: with these, by any number.

    A rotation by r slots is the map X -> X**(3**r mod 2N) on polynomials; SEAL names its key by
    that exponent.

    >>> galois_elements(LINEAR)[:3], len(galois_elements(LINEAR))
    ([3, 9, 81], 11)
    """
    if steps is None:
        steps = tuple(1 << i for i in range(parameters.slots.bit_length() - 1))
    return [pow(3, step, 2 * parameters.poly_modulus_degree) for step in steps]
