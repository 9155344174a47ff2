"""The server: a linear model on values that it never sees.

Against a server that follows the protocol and is curious, the values stay secret: it holds ciphertexts and
Galois keys, and neither opens the other. Leaves out any proof that the server computed the right
thing, and hiding the model from a client: after (features + 1) questions anyone can copy a linear model.
"""

import functools
import warnings
from typing import NamedTuple

import numpy as np
import tenseal.sealapi as seal

from course_lib.he import wire
from course_lib.he.packing import ValueLayout, WeightLayout, split_classes
from course_lib.he.parameters import LINEAR, galois_elements, seal_context
from course_lib.he.serialization import ciphertext_from_bytes, from_bytes, to_bytes
from course_lib.i18n import _

# Rows of coefficients of a larger norm make an error of 0.001 likely enough to be worth a warning.
_LARGEST_EXACT_NORM = 1e-3 / (5 * LINEAR.value_error)


def load_galois_keys(public_keys: bytes) -> seal.GaloisKeys:
    """The Galois keys in what a client's `get_public_keys()` returned; the last 16 are kept.

    Raises ValueError where the bytes are damaged, of other parameters, or lack a rotation.
    """
    if not isinstance(public_keys, bytes):
        raise ValueError(
            _("The public keys should be bytes, but a value of type {came} came.").format(
                came=type(public_keys).__name__
            )
        )
    return _parsed_galois_keys(public_keys)


@functools.lru_cache(maxsize=16)
def _parsed_galois_keys(public_keys: bytes) -> seal.GaloisKeys:
    _count, payload = wire.unpack("galois keys", public_keys, parameters=LINEAR)
    galois_keys = from_bytes(seal.GaloisKeys, seal_context(LINEAR), payload)
    elements = galois_elements(LINEAR)
    missing = [element for element in elements if not galois_keys.has_key(element)]
    if missing:
        raise ValueError(
            _(
                "The public keys should rotate by all {count} powers of two,"
                " but {missing} of them are missing."
            ).format(count=len(elements), missing=len(missing))
        )
    return galois_keys


class _Portion(NamedTuple):
    """Classes that share a ciphertext; `diagonals` are lists of lists: group, shift, ciphertext."""

    layout: WeightLayout
    diagonals: list
    intercept: seal.Plaintext


class EIServer:
    """Scores encrypted values: coeffs @ values + intercept.

    `coeffs` has shape (classes, features), `intercept` (classes,). `verbose` prints counts and sizes.
    Raises ValueError for other shapes, NaN or infinity; warns where the coefficients are so large that scores
    may be off by more than 0.001 (`client` has the formula).

    >>> EIServer(coeffs=[[1.0, 2.0]], intercept=[0.0, 0.0])
    Traceback (most recent call last):
    ValueError: An intercept for each of the 1 classes was expected, but an array of shape (2,) came.
    """

    def __init__(self, coeffs, intercept, verbose: bool = False):
        coeffs, intercept = _checked_model(coeffs, intercept)
        self._verbose = verbose
        self._context = seal_context(LINEAR)
        self._encoder = seal.CKKSEncoder(self._context)
        self._evaluator = seal.Evaluator(self._context)
        self.classes, self.features = coeffs.shape
        self._values = ValueLayout(self.features, LINEAR.slots)
        self._portions = [
            self._portion(coeffs[rows], intercept[rows]) for rows in split_classes(self.classes, self._values)
        ]

    def _portion(self, coeffs: np.ndarray, intercept: np.ndarray) -> _Portion:
        layout = WeightLayout(self._values, classes=len(coeffs))
        diagonals = layout.diagonals(coeffs)
        # As much noise as rounding makes anyway: a diagonal of exact zeros would make a product that is not
        # encrypted, and SEAL refuses that.
        dither = np.random.default_rng().normal(scale=LINEAR.weight_error, size=diagonals.shape)
        return _Portion(
            layout,
            self._encode(diagonals + dither, LINEAR.weight_scale),
            self._encode(layout.in_lanes(intercept), LINEAR.score_scale),
        )

    def predict(self, ciphertexts: list[str], public_keys: bytes) -> list[str]:
        """The encrypted scores of what a client encrypted, as texts for its `decrypt`.

        Raises ValueError where ciphertexts or keys are damaged, or are not those of this model.
        """
        return self.score(ciphertexts, load_galois_keys(public_keys))

    def score(self, ciphertexts: list[str], galois_keys: seal.GaloisKeys) -> list[str]:
        """What `predict` does, with keys that are loaded already."""
        values = self._loaded(ciphertexts)
        reply = []
        for layout, diagonals, intercept in self._portions:
            try:
                scores = self._product(layout, diagonals, values, galois_keys)
                self._evaluator.add_plain_inplace(scores, intercept)
            except (RuntimeError, IndexError) as error:  # SEAL's words for a ciphertext that hides nothing
                raise ValueError(
                    _("SEAL refuses to compute with what came: {error}.").format(error=error)
                ) from error
            frame = wire.pack("scores", to_bytes(scores), parameters=LINEAR, count=layout.classes)
            reply.append(wire.to_text(frame))
        if self._verbose:
            print(
                _("Scored {received} characters into {sent}.").format(
                    received=sum(map(len, ciphertexts)), sent=sum(map(len, reply))
                )
            )
        return reply

    def _product(self, layout: WeightLayout, diagonals, values, galois_keys) -> seal.Ciphertext:
        """Horner's rule in shifts: rotate what is there, add the next product; then fold the lanes."""
        total = None
        for group in reversed(diagonals):
            within = None
            for diagonal in reversed(group):
                within = self._rotated_plus(within, 1, galois_keys, self._inner(values, diagonal))
            total = self._rotated_plus(total, layout.group_step, galois_keys, within)
        for step in layout.fold_steps:
            total = self._rotated_plus(total, step, galois_keys, total)
        return total

    def _inner(self, values: list, diagonal: list) -> seal.Ciphertext:
        """The slotwise product of values and weights, summed over the ciphertexts."""
        products = []
        for value, weights in zip(values, diagonal, strict=True):
            product = seal.Ciphertext()
            self._evaluator.multiply_plain(value, weights, product)
            products.append(product)
        total = seal.Ciphertext()
        self._evaluator.add_many(products, total)
        return total

    def _rotated_plus(self, ciphertext, step: int, galois_keys, other) -> seal.Ciphertext:
        """`ciphertext`, if there is one yet, rotated by `step` slots, plus `other`."""
        if ciphertext is None:
            return other
        rotated = seal.Ciphertext()
        self._evaluator.rotate_vector(ciphertext, step, galois_keys, rotated)
        self._evaluator.add_inplace(rotated, other)
        return rotated

    def _loaded(self, ciphertexts: list[str]) -> list[seal.Ciphertext]:
        expected = self._values.ciphertexts
        if not isinstance(ciphertexts, (list, tuple)) or len(ciphertexts) != expected:
            came = len(ciphertexts) if isinstance(ciphertexts, (list, tuple)) else type(ciphertexts).__name__
            raise ValueError(
                _("A list of {expected} ciphertexts was expected, but {came} came.").format(
                    expected=expected, came=came
                )
            )
        return [self._loaded_one(text) for text in ciphertexts]

    def _loaded_one(self, text: str) -> seal.Ciphertext:
        count, payload = wire.unpack("values", wire.from_text(text), parameters=LINEAR)
        if count != self.features:
            raise ValueError(
                _("{expected} values were expected, but {came} came.").format(
                    expected=self.features, came=count
                )
            )
        return ciphertext_from_bytes(self._context, payload, scale=LINEAR.value_scale)

    def _encode(self, slots: np.ndarray, scale: float):
        """Plaintexts in nested lists of the array's shape, its last axis being the slots."""
        if slots.ndim > 1:
            return [self._encode(part, scale) for part in slots]
        plain = seal.Plaintext()
        self._encoder.encode(slots.tolist(), scale, plain)
        return plain


def _checked_model(coeffs, intercept) -> tuple[np.ndarray, np.ndarray]:
    coeffs, intercept = np.asarray(coeffs, dtype=float), np.asarray(intercept, dtype=float)
    if coeffs.ndim != 2 or 0 in coeffs.shape:
        raise ValueError(
            _(
                "Coefficients of shape (classes, features) were expected, but an array of shape {shape} came."
            ).format(shape=coeffs.shape)
        )
    if intercept.shape != coeffs.shape[:1]:
        raise ValueError(
            _(
                "An intercept for each of the {classes} classes was expected,"
                " but an array of shape {shape} came."
            ).format(classes=coeffs.shape[0], shape=intercept.shape)
        )
    if not (np.isfinite(coeffs).all() and np.isfinite(intercept).all()):
        raise ValueError(_("Finite coefficients and intercepts were expected, but NaN or infinity came."))
    if np.abs(coeffs).max() > LINEAR.max_weight or np.abs(intercept).max() > LINEAR.max_score:
        raise ValueError(
            _(
                "Coefficients up to ±{most_weight:.0f} and intercepts up to ±{most_score:.0f} were expected,"
                " but larger ones came."
            ).format(most_weight=LINEAR.max_weight, most_score=LINEAR.max_score)
        )
    if np.linalg.norm(coeffs, axis=1).max() > _LARGEST_EXACT_NORM:
        warnings.warn(
            _(
                "The coefficients are so large that scores may be off by more than 0.001: scale them down,"
                " and the values up."
            ),
            stacklevel=3,
        )
    return coeffs, intercept
