"""The server: a model on values that it never sees.

Against a server that follows the protocol and is curious, the values stay secret: it holds ciphertexts and
public keys, and neither opens the other. Leaves out any proof that the server computed the right
thing, and hiding the model from a client: after (features + 1) questions anyone can copy a linear model, and
enough questions copy a network, too.
"""

import warnings

import numpy as np
import tenseal.sealapi as seal

from course_lib.he import wire
from course_lib.he.encrypted_layer import EncryptedLayer, squared
from course_lib.he.network import Network
from course_lib.he.packing import ValueLayout, split_classes
from course_lib.he.parameters import LINEAR, seal_context
from course_lib.he.plan import Plan, linear_plan, network_plan
from course_lib.he.public_keys import LINEAR_NEEDS, PublicKeys
from course_lib.he.serialization import ciphertext_from_bytes, to_bytes
from course_lib.i18n import _

# Rows of coefficients of a larger norm make an error of 0.001 likely enough to be worth a warning.
_LARGEST_EXACT_NORM = 1e-3 / (5 * LINEAR.value_error)


def load_galois_keys(public_keys: bytes) -> PublicKeys:
    """The keys of a linear model's client, as `EIServer.score` takes them; see `KeyNeeds.load`."""
    return LINEAR_NEEDS.load(public_keys)


class PlanServer:
    """Evaluates plans on encrypted values: one plan for each ciphertext of the answer.

    `models` holds, for each plan, the weights and constants of its layers. Plans share inputs and keys.
    """

    def __init__(self, plans: list[Plan], models: list[list[tuple[np.ndarray, np.ndarray]]], verbose: bool):
        self.plans = plans
        self.classes = sum(plan.classes for plan in plans)
        self.features = plans[0].values.features
        self.needs = plans[0].needs
        self._parameters = plans[0].parameters
        self._verbose = verbose
        self._context = seal_context(self._parameters)
        self._evaluator = seal.Evaluator(self._context)
        self._portions = [
            [EncryptedLayer(plan, number, *arrays) for number, arrays in enumerate(model)]
            for plan, model in zip(plans, models, strict=True)
        ]

    def predict(self, ciphertexts: list[str], public_keys: bytes) -> list[str]:
        """The encrypted scores of what a client encrypted, as texts for its `decrypt`.

        Raises ValueError where ciphertexts or keys are damaged, or are not those of this model.
        """
        return self.score(ciphertexts, self.needs.load(public_keys))

    def score(self, ciphertexts: list[str], keys: PublicKeys) -> list[str]:
        """What `predict` does, with keys that are loaded already."""
        values = self._loaded(ciphertexts)
        reply = []
        for plan, layers in zip(self.plans, self._portions, strict=True):
            try:
                scores = self._evaluated(layers, values, keys)
            except (RuntimeError, IndexError, ValueError) as error:  # SEAL's, for what hides nothing, say
                raise ValueError(
                    _("SEAL refuses to compute with what came: {error}.").format(error=error)
                ) from error
            frame = wire.pack("scores", to_bytes(scores), parameters=self._parameters, count=plan.classes)
            reply.append(wire.to_text(frame))
        if self._verbose:
            print(
                _("Scored {received} characters into {sent}.").format(
                    received=sum(map(len, ciphertexts)), sent=sum(map(len, reply))
                )
            )
        return reply

    def _evaluated(self, layers: list[EncryptedLayer], values, keys: PublicKeys) -> seal.Ciphertext:
        """The layers one after the other, with a square between each two."""
        result = layers[0].apply(values, keys)
        for layer in layers[1:]:
            result = layer.apply([squared(self._evaluator, result, keys)], keys)
        return result

    def _loaded(self, ciphertexts: list[str]) -> list[seal.Ciphertext]:
        expected = self.plans[0].values.ciphertexts
        if not isinstance(ciphertexts, (list, tuple)) or len(ciphertexts) != expected:
            came = len(ciphertexts) if isinstance(ciphertexts, (list, tuple)) else type(ciphertexts).__name__
            raise ValueError(
                _("A list of {expected} ciphertexts was expected, but {came} came.").format(
                    expected=expected, came=came
                )
            )
        return [self._loaded_one(text) for text in ciphertexts]

    def _loaded_one(self, text: str) -> seal.Ciphertext:
        count, payload = wire.unpack("values", wire.from_text(text), parameters=self._parameters)
        if count != self.features:
            raise ValueError(
                _("{expected} values were expected, but {came} came.").format(
                    expected=self.features, came=count
                )
            )
        return ciphertext_from_bytes(self._context, payload, scale=self._parameters.value_scale)


class EIServer(PlanServer):
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
        values = ValueLayout(coeffs.shape[1], LINEAR.slots)
        portions = split_classes(len(coeffs), values)
        super().__init__(
            [linear_plan(values, classes=rows.stop - rows.start) for rows in portions],
            [[(coeffs[rows], intercept[rows])] for rows in portions],
            verbose,
        )


class EINetworkServer(PlanServer):
    """Scores an encrypted image with a convolutional network.

    `layout` says how the client lays out its image: "im2col", in many ciphertexts, or "compact", in few.
    Raises ValueError for another one, and for a network that does not fit.

    >>> from course_lib.he.client import EINetworkClient
    >>> from course_lib.he.image_packing import NetworkShape
    >>> shape = NetworkShape(image=4, padding=0, kernel=2, stride=2, maps=1, hidden=16, classes=2)
    >>> kernels, weights = np.ones((1, 2, 2)), np.full((2, 16), 0.25)
    >>> network = Network(shape, kernels, np.zeros(1), np.eye(16, 4), np.zeros(16), weights, np.arange(2))
    >>> client, server = EINetworkClient(shape), EINetworkServer(network)
    >>> _key_id, public_keys = client.get_public_keys()
    >>> image = np.full((4, 4), 0.5)
    >>> client.decrypt(server.predict(client.encrypt(image), public_keys)).round(1), network.scores(image)
    (array([16., 17.]), array([16., 17.]))
    """

    def __init__(self, network: Network, layout: str = "im2col", verbose: bool = False):
        plan = network_plan(network.shape, layout)
        super().__init__([plan], [packed_network(network, plan)], verbose)


def packed_network(network: Network, plan: Plan) -> list[tuple[np.ndarray, np.ndarray]]:
    """The weights and constants of each layer as its layout in `plan` takes them."""
    feature = plan.layers[0].feature_of_slot
    hidden = np.where(feature >= 0, network.hidden_weights[:, feature], 0.0)
    return [
        (network.kernels, network.kernel_constants),
        (hidden, network.hidden_constants),
        (network.weights, network.constants),
    ]


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
