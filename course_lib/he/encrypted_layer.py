"""One layer of a model on encrypted values: products with plain weights, rotations, sums; and the square.

Promises that each step is one of the plan's, at the plan's level and scale. Leaves out how weights are laid
out (`packing`, `layer_packing`), and in which order layers and squares follow (`server`).
"""

import numpy as np
import tenseal.sealapi as seal

from course_lib.he.parameters import seal_context
from course_lib.he.plan import Plan
from course_lib.he.public_keys import PublicKeys
from course_lib.he.serialization import level
from course_lib.i18n import _


class EncryptedLayer:
    """A layer's weights and constants as plaintexts, ready for values at one level and scale.

    `weights` and `constants` have the shapes that the plan's layout `number` takes. Raises ValueError where
    one of them is too large to be stored at its scale.
    """

    def __init__(self, plan: Plan, number: int, weights: np.ndarray, constants: np.ndarray):
        self.layout = plan.layers[number]
        context = seal_context(plan.parameters)
        self._encoder, self._evaluator = seal.CKKSEncoder(context), seal.Evaluator(context)
        self._level = level(context, number)
        self._weight_scale = plan.weight_scales[number]
        # As much noise as rounding makes anyway.
        self._dither = (plan.parameters.poly_modulus_degree / 12) ** 0.5 / self._weight_scale
        product_scale = plan.input_scales[number] * self._weight_scale
        _check_room(
            weights, constants, plan.room(number, self._weight_scale), plan.room(number, product_scale)
        )
        self._diagonals = self._encoded(self.layout.diagonals(weights))
        self._constants = self._plaintext(self.layout.in_lanes(constants), product_scale)

    def apply(self, inputs: list[seal.Ciphertext], keys: PublicKeys) -> seal.Ciphertext:
        """Horner's rule in shifts: rotate what is there, add the next product; then fold the lanes."""
        terms = [self._rotated(inputs[number], step, keys) for number, step in self.layout.terms]
        total = None
        for group in reversed(self._diagonals):
            within = None
            for diagonal in reversed(group):
                within = self._rotated_plus(within, 1, keys, self._inner(terms, diagonal))
            total = self._rotated_plus(total, self.layout.group_step, keys, within)
        for step in self.layout.fold_steps:
            total = self._rotated_plus(total, step, keys, total)
        self._evaluator.add_plain_inplace(total, self._constants)
        return total

    def _inner(self, terms: list[seal.Ciphertext], diagonal: list[seal.Plaintext]) -> seal.Ciphertext:
        """The slotwise product of what came in and weights, summed over the terms."""
        products = []
        for term, weights in zip(terms, diagonal, strict=True):
            product = seal.Ciphertext()
            self._evaluator.multiply_plain(term, weights, product)
            products.append(product)
        total = seal.Ciphertext()
        self._evaluator.add_many(products, total)
        return total

    def _rotated_plus(self, ciphertext, step: int, keys: PublicKeys, other) -> seal.Ciphertext:
        """`ciphertext`, if there is one yet, rotated by `step` slots, plus `other`."""
        if ciphertext is None:
            return other
        rotated = self._rotated(ciphertext, step, keys)
        self._evaluator.add_inplace(rotated, other)
        return rotated

    def _rotated(self, ciphertext: seal.Ciphertext, step: int, keys: PublicKeys) -> seal.Ciphertext:
        """`ciphertext` rotated by `step` slots; for no step, itself."""
        if step == 0:
            return ciphertext
        rotated = seal.Ciphertext()
        self._evaluator.rotate_vector(ciphertext, step, keys.galois, rotated)
        return rotated

    def _encoded(self, slots: np.ndarray):
        """Plaintexts in nested lists of the array's shape, its last axis being the slots."""
        if slots.ndim > 1:
            return [self._encoded(part) for part in slots]
        plain = self._plaintext(slots, self._weight_scale)
        while plain.is_zero():  # would make a product that is not encrypted, and SEAL refuses that
            dither = np.random.default_rng().normal(scale=self._dither, size=slots.shape)
            plain = self._plaintext(slots + dither, self._weight_scale)
        return plain

    def _plaintext(self, slots: np.ndarray, scale: float) -> seal.Plaintext:
        plain = seal.Plaintext()
        self._encoder.encode(slots.tolist(), self._level, scale, plain)
        return plain


def _check_room(weights: np.ndarray, constants: np.ndarray, most_weight: float, most_constant: float) -> None:
    """Raise ValueError where a weight or a constant can't be stored."""
    if np.abs(weights).max() >= most_weight or np.abs(constants).max() >= most_constant:
        raise ValueError(
            _(
                "Weights below ±{most_weight:.3g} and constants below ±{most_constant:.3g} were expected,"
                " but larger ones came."
            ).format(most_weight=most_weight, most_constant=most_constant)
        )


def squared(evaluator: seal.Evaluator, ciphertext: seal.Ciphertext, keys: PublicKeys) -> seal.Ciphertext:
    """Each slot squared, in place, one prime below: the scale is the old one's square, divided by a prime."""
    evaluator.square_inplace(ciphertext)
    evaluator.relinearize_inplace(ciphertext, keys.relinearisation)
    evaluator.rescale_to_next_inplace(ciphertext)
    return ciphertext
