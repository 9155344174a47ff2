"""Many images at once: one image in each slot, one ciphertext for each pixel.

A weight is then the same number in all slots, so nothing is rotated and no Galois key is needed; but all
products are made one by one, whether for one image or for thousands. Promises the same scores as the network
in the clear, up to noise, and little memory: pixels come one after the other, and each feature map's output
is used up as soon as it is there. Leaves out the web service: a batch is over 100 MB.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import tenseal.sealapi as seal

from course_lib.he import wire
from course_lib.he.client import KeyHolder, real_numbers
from course_lib.he.encrypted_layer import squared
from course_lib.he.image_packing import NetworkShape
from course_lib.he.network import Network
from course_lib.he.parameters import NETWORK, seal_context
from course_lib.he.plan import network_plan
from course_lib.he.public_keys import KeyNeeds
from course_lib.he.serialization import ciphertext_from_bytes, level, to_bytes
from course_lib.i18n import _

MOST_IMAGES = NETWORK.slots - 2  # two slots stay empty, and must have equal scores
BATCH_NEEDS = KeyNeeds(NETWORK, steps=(), relinearises=True)
_EMPTY_SLOT_TOLERANCE = 0.5


class BatchClient(KeyHolder):
    """Encrypts many images of a network's shape at once, and decrypts their scores."""

    def __init__(self, shape: NetworkShape, secret_key: str | None = None, verbose: bool = False):
        plan = network_plan(shape)
        self._shape = shape
        super().__init__(
            BATCH_NEEDS, secret_key, verbose, score_scale=plan.score_scale, score_level=len(plan.layers) - 1
        )

    def encrypt(self, images) -> Iterator[bytes]:
        """A frame for each pixel of images (count, image, image), row by row; values in [0, 1].

        Raises ValueError for another shape, too many images, NaN, infinity, or other values.
        """
        side = self._shape.image
        if np.shape(images)[1:] != (side, side) or not 1 <= len(images) <= MOST_IMAGES:
            raise ValueError(
                _("Between 1 and {most} images of {side} x {side} were expected, but {shape} came.").format(
                    most=MOST_IMAGES, side=side, shape=np.shape(images)
                )
            )
        values = real_numbers(images).reshape(len(images), -1)
        if values.min() < 0 or values.max() > 1:
            raise ValueError(
                _("Values from 0 to 1 were expected, as the network has learnt them, but others came.")
            )
        for pixel in values.T:
            slots = np.zeros(self._parameters.slots)
            slots[: len(pixel)] = pixel
            yield self._encrypted_slots(slots, len(pixel))

    def decrypt(self, frames: list[bytes]) -> np.ndarray:
        """The scores (count, classes) in a server's answer: one frame for each class."""
        if len(frames) != self._shape.classes:
            raise ValueError(
                _("Scores for {expected} classes were expected, but {came} came.").format(
                    expected=self._shape.classes, came=len(frames)
                )
            )
        columns = []
        for frame in frames:
            count, slots = self._decrypted_slots(frame)
            if np.ptp(slots[MOST_IMAGES:]) > _EMPTY_SLOT_TOLERANCE:
                raise ValueError(
                    _("The scores can't be trusted: the two empty slots differ. Was it another key's answer?")
                )
            columns.append(slots[:count])
        return np.stack(columns, axis=1)


class BatchServer:
    """Scores a batch of encrypted images with a network."""

    def __init__(self, network: Network):
        self._network = network
        self._plan = network_plan(network.shape)
        self._context = seal_context(NETWORK)
        self._encoder, self._evaluator = seal.CKKSEncoder(self._context), seal.Evaluator(self._context)

    def score(self, frames: Iterable[bytes], public_keys: bytes) -> list[bytes]:
        """The encrypted scores of what a client encrypted, a frame for each class.

        Raises ValueError where frames or keys are damaged, too few or too many, or of other parameters.
        """
        keys = BATCH_NEEDS.load(public_keys)
        shape, network = self._network.shape, self._network
        pixels = _Pixels(frames, self._context, shape)
        hidden = [_Sum(self, layer=1) for _unit in range(shape.hidden)]
        for row in range(shape.side):
            pixels.read_to(row * shape.stride + shape.kernel - shape.padding)
            for column in range(shape.side):
                window = pixels.window(row, column)
                for number in range(shape.maps):
                    output = _Sum(self, layer=0)
                    for ciphertext, y, x in window:
                        output.add(ciphertext, network.kernels[number, y, x])
                    square = squared(self._evaluator, output.plus(network.kernel_constants[number]), keys)
                    feature = number * shape.side**2 + row * shape.side + column
                    for unit, weights in zip(hidden, network.hidden_weights, strict=True):
                        unit.add(square, weights[feature])
        pixels.end()
        squares = [
            squared(self._evaluator, unit.plus(constant), keys)
            for unit, constant in zip(hidden, network.hidden_constants, strict=True)
        ]
        return [
            wire.pack("scores", to_bytes(scores), parameters=NETWORK, count=pixels.count)
            for scores in map(self._scores, [squares] * shape.classes, network.weights, network.constants)
        ]

    def _scores(self, squares: list, weights: np.ndarray, constant: float) -> seal.Ciphertext:
        total = _Sum(self, layer=2)
        for square, weight in zip(squares, weights, strict=True):
            total.add(square, weight)
        return total.plus(constant)


class _Sum:
    """Ciphertexts times numbers, summed: what one output of a layer is."""

    def __init__(self, server: BatchServer, layer: int):
        self._encoder, self._evaluator = server._encoder, server._evaluator
        self._level = level(server._context, layer)
        self._weight_scale = server._plan.weight_scales[layer]
        self._scale = server._plan.input_scales[layer] * self._weight_scale
        self._total = None

    def add(self, ciphertext: seal.Ciphertext, weight: float) -> None:
        """Add one product; a weight that is stored as 0 adds nothing, and SEAL would refuse it."""
        if round(weight * self._weight_scale) == 0:
            return
        plain, product = seal.Plaintext(), seal.Ciphertext()
        self._encoder.encode(weight, self._level, self._weight_scale, plain)
        self._evaluator.multiply_plain(ciphertext, plain, product)
        if self._total is None:
            self._total = product
        else:
            self._evaluator.add_inplace(self._total, product)

    def plus(self, constant: float) -> seal.Ciphertext:
        """The sum, and a constant added to it; ValueError where all weights were 0."""
        if self._total is None:
            raise ValueError(
                _("An output whose weights are not all 0 was expected, but one came with zeros only.")
            )
        plain = seal.Plaintext()
        self._encoder.encode(constant, self._level, self._scale, plain)
        self._evaluator.add_plain_inplace(self._total, plain)
        return self._total


class _Pixels:
    """The image's rows that are needed now: read as the frames come, forgotten when they are done."""

    def __init__(self, frames: Iterable[bytes], context: seal.SEALContext, shape: NetworkShape):
        self._frames, self._context, self._shape = iter(frames), context, shape
        self._rows: dict[int, list[seal.Ciphertext]] = {}
        self._read = 0
        self.count: int | None = None

    def read_to(self, end: int) -> None:
        """Read the rows before `end`, and forget those that no later position of the kernel meets."""
        while self._read < min(end, self._shape.image):
            self._rows[self._read] = [self._next() for _column in range(self._shape.image)]
            self._read += 1
        for row in [row for row in self._rows if row < end - self._shape.kernel]:
            del self._rows[row]

    def window(self, row: int, column: int) -> list[tuple[seal.Ciphertext, int, int]]:
        """The pixels under the kernel at one position, each with its place in the kernel; no padding."""
        shape = self._shape
        top, left = row * shape.stride - shape.padding, column * shape.stride - shape.padding
        return [
            (self._rows[top + y][left + x], y, x)
            for y in range(shape.kernel)
            for x in range(shape.kernel)
            if 0 <= top + y < shape.image and 0 <= left + x < shape.image
        ]

    def end(self) -> None:
        """Read what no position of the kernel met; ValueError where there is more than that."""
        self.read_to(self._shape.image)
        if next(self._frames, None) is not None:
            raise ValueError(
                _("{expected} frames were expected, one for each pixel, but more came.").format(
                    expected=self._shape.features
                )
            )

    def _next(self) -> seal.Ciphertext:
        frame = next(self._frames, None)
        if frame is None:
            raise ValueError(
                _("{expected} frames were expected, one for each pixel, but fewer came.").format(
                    expected=self._shape.features
                )
            )
        count, payload = wire.unpack("values", frame, parameters=NETWORK)
        if count != (self.count or count):
            raise ValueError(
                _("Frames of {expected} images were expected, but one of {came} came.").format(
                    expected=self.count, came=count
                )
            )
        self.count = count
        return ciphertext_from_bytes(self._context, payload, scale=NETWORK.value_scale)
