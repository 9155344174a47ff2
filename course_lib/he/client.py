"""The client: the only place where the secret key lives.

Promises that what it sends tells nobody about the values or the key: CKKS is secure against an observer of
ciphertexts and public keys, assuming RLWE and circular security (the Galois keys hold the secret key,
encrypted under itself). Leaves out protection of decrypted scores: who knows the ciphertext and its exact
decryption may compute the key (Li and Micciancio 2021, "On the Security of Homomorphic Encryption on
Approximate Numbers"). Leaves out malicious services: CKKS is not secure against chosen ciphertexts.

A score's error has a standard deviation of about `value_error` * |weights| + `weight_error` * |values| *
(1 to 3), with Euclidean norms and the two constants of `parameters.LINEAR`: 1e-4 where both norms are 20.
"""

import hashlib
import warnings

import numpy as np
import tenseal.sealapi as seal

from course_lib.he import wire
from course_lib.he.image_packing import NetworkShape
from course_lib.he.packing import ValueLayout, lanes_for
from course_lib.he.parameters import LINEAR, seal_context
from course_lib.he.plan import network_plan
from course_lib.he.public_keys import LINEAR_NEEDS, KeyNeeds
from course_lib.he.serialization import ciphertext_from_bytes, from_bytes, to_bytes
from course_lib.i18n import _

# Lanes without a class decrypt to 0 within this; anything else means that the scores are wrong.
_EMPTY_LANE_TOLERANCE = 0.05
# Values of a larger norm make an error of 0.001 likely enough to be worth a warning.
_LARGEST_EXACT_NORM = 1e-3 / (5 * 3 * LINEAR.weight_error)


class KeyHolder:
    """A secret key, the public keys that go with it, and what both are needed for: to encrypt, to decrypt.

    `needs` are the public keys that a server needs; `score_scale` and `score_level` say how its answers come:
    at which scale, and how many primes below the top.
    """

    def __init__(
        self, needs: KeyNeeds, secret_key: str | None, verbose: bool, *, score_scale: float, score_level: int
    ):
        self._needs = needs
        self._parameters = needs.parameters
        self._score_scale, self._score_level = score_scale, score_level
        self._verbose = verbose
        self._context = seal_context(self._parameters)
        if secret_key is None:
            self._key_generator = seal.KeyGenerator(self._context)
        else:
            _count, payload = wire.unpack(
                "secret key", wire.from_text(secret_key), parameters=self._parameters
            )
            self._key_generator = seal.KeyGenerator(
                self._context, from_bytes(seal.SecretKey, self._context, payload)
            )
        key = self._key_generator.secret_key()
        self._encryptor = seal.Encryptor(self._context, key)
        self._decryptor = seal.Decryptor(self._context, key)
        self._encoder = seal.CKKSEncoder(self._context)
        self._public_keys: bytes | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(secret_key=<hidden>)"

    def secret_key(self) -> str:
        """The secret key as text, to keep and to make the same client again. Never send it anywhere.

        Off Linux the key passes through a file in a private folder, which is deleted but not wiped.
        """
        payload = to_bytes(self._key_generator.secret_key())
        return wire.to_text(wire.pack("secret key", payload, parameters=self._parameters, count=1))

    def get_public_keys(self) -> tuple[str, bytes]:
        """The key id and the public keys, with which a server computes but can't decrypt.

        The key id is the SHA-256 of the keys, in hexadecimal. The keys are made at the first call.
        """
        if self._public_keys is None:
            self._public_keys = self._needs.make(self._key_generator)
        self._tell(_("Public keys: {size} bytes.").format(size=len(self._public_keys)))
        return hashlib.sha256(self._public_keys).hexdigest(), self._public_keys

    def _encrypted_slots(self, slots: np.ndarray, count: int) -> bytes:
        """One ciphertext in its frame."""
        plain = seal.Plaintext()
        self._encoder.encode(slots.tolist(), self._parameters.value_scale, plain)
        payload = to_bytes(self._encryptor.encrypt_symmetric(plain))
        return wire.pack("values", payload, parameters=self._parameters, count=count)

    def _encrypted(self, arranged: np.ndarray, count: int) -> list[str]:
        """Slots (ciphertexts, slots) that hold `count` values, as ciphertexts in base64.

        Encryption is symmetric: SEAL sends a seed instead of half of each ciphertext, and adds less noise
        than with a public key.
        """
        texts = [wire.to_text(self._encrypted_slots(slots, count)) for slots in arranged]
        self._tell(
            _("Encrypted {count} values into {size} characters.").format(
                count=count, size=sum(map(len, texts))
            )
        )
        return texts

    def decrypt(self, response: list[str]) -> np.ndarray:
        """The scores in a server's response, shape (classes,), float64.

        Raises ValueError where the response is damaged, was computed under another client's key, or
        where a score left the range that the parameters hold: the empty lanes are not zero then.
        """
        if not isinstance(response, (list, tuple)) or not response:
            raise ValueError(
                _("A list with the server's texts was expected, but {came} came.").format(
                    came=type(response).__name__ if response else _("an empty answer")
                )
            )
        return np.concatenate([self._scores(text) for text in response])

    def _scores(self, text: str) -> np.ndarray:
        classes, slots = self._decrypted_slots(wire.from_text(text))
        if np.abs(slots[classes : lanes_for(classes)]).max() > _EMPTY_LANE_TOLERANCE:
            raise ValueError(
                _(
                    "The scores can't be trusted: a slot that should be 0 is not. The answer was computed"
                    " under another key, a score is beyond ±{limit:.0f}, or values or coefficients are too"
                    " large."
                ).format(limit=2.0 ** (self._parameters.coeff_modulus_bits[0] - 1) / self._score_scale)
            )
        return slots[:classes]

    def _decrypted_slots(self, frame: bytes) -> tuple[int, np.ndarray]:
        """How many scores a frame holds, and all its slots."""
        count, payload = wire.unpack("scores", frame, parameters=self._parameters)
        if not 1 <= count < self._parameters.slots:
            raise ValueError(
                _("Between 1 and {most} scores were expected, but {came} came.").format(
                    most=self._parameters.slots - 1, came=count
                )
            )
        ciphertext = ciphertext_from_bytes(
            self._context, payload, scale=self._score_scale, dropped=self._score_level
        )
        plain = seal.Plaintext()
        self._decryptor.decrypt(ciphertext, plain)
        return count, np.array(self._encoder.decode_double(plain))

    def _tell(self, message: str) -> None:
        if self._verbose:
            print(message)


class EILinearRegressionClient(KeyHolder):
    """Encrypts values, and decrypts the scores that a linear model computed on them.

    `secret_key` is what an earlier client's `secret_key()` returned; without it a new one is made.
    `verbose` prints sizes, never keys or values. Raises ValueError for a text that is no secret key.

    >>> from course_lib.he.server import EIServer
    >>> client = EILinearRegressionClient()
    >>> key_id, public_keys = client.get_public_keys()
    >>> server = EIServer(coeffs=[[1.0, 2.0], [3.0, 4.0]], intercept=[0.5, -0.5])
    >>> reply = server.predict(client.encrypt([10.0, 1.0]), public_keys)
    >>> client.decrypt(reply).round(2)
    array([12.5, 33.5])
    """

    def __init__(self, secret_key: str | None = None, verbose: bool = False):
        super().__init__(LINEAR_NEEDS, secret_key, verbose, score_scale=LINEAR.score_scale, score_level=0)

    def encrypt(self, values) -> list[str]:
        """The values, one-dimensional floats, as ciphertexts in base64.

        Raises ValueError for another shape, NaN, infinity, or values out of range; warns where the values are
        so large that scores may be off by more than 0.001.

        >>> EILinearRegressionClient().encrypt([[1.0], [2.0]])
        Traceback (most recent call last):
        ValueError: Values in one dimension were expected, but an array of shape (2, 1) came.
        """
        values = _checked_values(values)
        return self._encrypted(ValueLayout(len(values), LINEAR.slots).arrange(values), len(values))


class EINetworkClient(KeyHolder):
    """Encrypts images, and decrypts the scores that a network of this shape computed on them.

    `layout` is the server's: "im2col" sends many ciphertexts, "compact" few. `secret_key` and `verbose` are
    those of `EILinearRegressionClient`.

    >>> clients = [EINetworkClient(NetworkShape(), layout) for layout in ("im2col", "compact")]
    >>> [len(client.encrypt(np.zeros((28, 28)))) for client in clients]
    [16, 4]
    """

    def __init__(
        self,
        shape: NetworkShape,
        layout: str = "im2col",
        secret_key: str | None = None,
        verbose: bool = False,
    ):
        plan = network_plan(shape, layout)
        self._shape, self._layout = shape, plan.values
        super().__init__(
            plan.needs, secret_key, verbose, score_scale=plan.score_scale, score_level=len(plan.layers) - 1
        )

    def encrypt(self, image) -> list[str]:
        """An image of shape (image, image) with values in [0, 1], as ciphertexts in base64.

        Raises ValueError for another shape, NaN, infinity, or other values.

        >>> EINetworkClient(NetworkShape()).encrypt(np.full((28, 28), 255))
        Traceback (most recent call last):
        ValueError: Values from 0 to 1 were expected, as the network has learnt them, but others came.
        """
        shape = (self._shape.image, self._shape.image)
        if np.shape(image) != shape:
            raise ValueError(
                _("An image of shape {expected} was expected, but an array of shape {came} came.").format(
                    expected=shape, came=np.shape(image)
                )
            )
        values = real_numbers(image).ravel()
        if values.min() < 0 or values.max() > 1:
            raise ValueError(
                _("Values from 0 to 1 were expected, as the network has learnt them, but others came.")
            )
        return self._encrypted(self._layout.arrange(values), len(values))


def real_numbers(values) -> np.ndarray:
    """The values as an array of floats; ValueError where one is none, or not finite."""
    if np.iscomplexobj(values):
        raise ValueError(_("Real numbers were expected, but complex ones came."))
    try:
        values = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        # NumPy's own words would quote the value.
        raise ValueError(_("Numbers were expected, but something else came.")) from None
    if not np.isfinite(values).all():
        raise ValueError(
            _("Finite values were expected, but NaN or infinity came at index {index}.").format(
                index=int(np.flatnonzero(~np.isfinite(values))[0])
            )
        )
    return values


def _checked_values(values) -> np.ndarray:
    values = real_numbers(values)
    if values.ndim != 1:
        raise ValueError(
            _("Values in one dimension were expected, but an array of shape {shape} came.").format(
                shape=values.shape
            )
        )
    if len(values) == 0:
        raise ValueError(_("At least one value was expected, but none came."))
    if np.abs(values).max() > LINEAR.max_value:
        raise ValueError(
            _("Values up to ±{limit:.0f} were expected, but a larger one came at index {index}.").format(
                limit=LINEAR.max_value, index=int(np.abs(values).argmax())
            )
        )
    if np.linalg.norm(values) > _LARGEST_EXACT_NORM:
        warnings.warn(
            _(
                "The values are so large that scores may be off by more than 0.001: scale them, for example"
                " to [0, 1], and the coefficients the other way."
            ),
            stacklevel=3,
        )
    return values
