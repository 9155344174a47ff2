"""Networks with random weights, and what the tests of encrypted networks share."""

import numpy as np

from course_lib.he.image_packing import NetworkShape
from course_lib.he.network import Network

SHAPE = NetworkShape()
SMALL = NetworkShape(image=8, padding=0, kernel=3, stride=2, maps=2, hidden=16, classes=3)


def random_network(shape: NetworkShape = SHAPE, seed: int = 0) -> Network:
    """Weights of the size that training gives, so that scores stay within a few units."""
    random = np.random.default_rng(seed)
    features = shape.maps * shape.side**2
    return Network(
        shape,
        random.normal(size=(shape.maps, shape.kernel, shape.kernel)) / shape.kernel,
        random.normal(size=shape.maps) / 4,
        random.normal(size=(shape.hidden, features)) / features**0.5,
        random.normal(size=shape.hidden) / 4,
        random.normal(size=(shape.classes, shape.hidden)) / shape.hidden**0.5,
        random.normal(size=shape.classes),
    )


def random_image(shape: NetworkShape = SHAPE, seed: int = 0) -> np.ndarray:
    """An image as sparse as a digit, with values in [0, 1]."""
    random = np.random.default_rng(seed)
    return random.random((shape.image, shape.image)) * (random.random((shape.image, shape.image)) < 0.2)
