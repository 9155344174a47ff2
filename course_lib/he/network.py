"""A convolutional network in the clear: its weights, its scores, and how both are kept in a file.

Promises that `scores` is what the encrypted network approximates: convolution, square, dense, square, dense,
in float64. Leaves out training, which is `training`'s part.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from course_lib.he.image_packing import NetworkShape
from course_lib.i18n import _


@dataclass(frozen=True, eq=False)
class Network:
    """The weights and the constants that are added, one pair for each layer; all of float64.

    `kernels` (maps, kernel, kernel), `kernel_constants` (maps,); `hidden_weights` (hidden, maps * side *
    side), `hidden_constants` (hidden,); `weights` (classes, hidden), `constants` (classes,). Raises
    ValueError where an array has another shape, or holds NaN or infinity.

    >>> shape = NetworkShape(image=4, padding=0, kernel=2, stride=2, maps=1, hidden=4, classes=2)
    >>> network = Network(
    ...     shape, np.ones((1, 2, 2)), np.zeros(1), np.eye(4), np.zeros(4), np.ones((2, 4)), np.array([0, 1])
    ... )
    >>> network.scores(np.ones((4, 4)))  # four patches of four pixels, squared twice and added
    array([1024., 1025.])
    """

    shape: NetworkShape
    kernels: np.ndarray
    kernel_constants: np.ndarray
    hidden_weights: np.ndarray
    hidden_constants: np.ndarray
    weights: np.ndarray
    constants: np.ndarray

    def __post_init__(self):
        for name, expected in _shapes(self.shape).items():
            array = np.asarray(getattr(self, name), dtype=float)
            if array.shape != expected:
                raise ValueError(
                    _(
                        "An array {name} of shape {expected} was expected, but one of shape {came} came."
                    ).format(name=name, expected=expected, came=array.shape)
                )
            if not np.isfinite(array).all():
                raise ValueError(
                    _("Finite numbers were expected in {name}, but NaN or infinity came.").format(name=name)
                )
            object.__setattr__(self, name, array)

    def feature_maps(self, images: np.ndarray) -> np.ndarray:
        """The convolution, before its square: (..., maps, side, side) for images (..., image, image)."""
        shape = self.shape
        images = np.reshape(images, (*np.shape(images)[:-2], shape.image, shape.image)).astype(float)
        border = [(0, 0)] * (images.ndim - 2) + [(shape.padding, shape.padding)] * 2
        patches = sliding_window_view(np.pad(images, border), (shape.kernel, shape.kernel), axis=(-2, -1))
        patches = patches[..., :: shape.stride, :: shape.stride, :, :]
        maps = np.einsum("...yxij,mij->...myx", patches, self.kernels, optimize=True)
        return maps + self.kernel_constants[:, None, None]

    def hidden_units(self, images: np.ndarray) -> np.ndarray:
        """The first dense layer, before its square: (..., hidden)."""
        maps = self.feature_maps(images)
        squares = (maps**2).reshape(*maps.shape[:-3], -1)
        return squares @ self.hidden_weights.T + self.hidden_constants

    def scores(self, images: np.ndarray) -> np.ndarray:
        """The scores of images (..., image, image) with values in [0, 1]: (..., classes)."""
        return self.hidden_units(images) ** 2 @ self.weights.T + self.constants

    def arrays(self) -> dict[str, np.ndarray]:
        """What numpy.savez keeps of it; `from_arrays` makes the same network again."""
        geometry = np.array([self.shape.image, self.shape.padding, self.shape.stride])
        return {"geometry": geometry} | {name: getattr(self, name) for name in _shapes(self.shape)}

    @classmethod
    def from_arrays(cls, arrays) -> "Network":
        """The network in a mapping of arrays; ValueError where it holds none."""
        missing = {"geometry", *_shapes(NetworkShape())} - set(arrays)
        if missing:
            raise ValueError(
                _("A network's arrays were expected, but these are missing: {names}.").format(
                    names=", ".join(sorted(missing))
                )
            )
        kernels, weights = arrays["kernels"], arrays["weights"]
        if np.shape(arrays["geometry"]) != (3,) or np.ndim(kernels) != 3 or np.ndim(weights) != 2:
            raise ValueError(_("A network's arrays were expected, but some of another shape came."))
        image, padding, stride = map(int, arrays["geometry"])
        maps, kernel, _kernel = kernels.shape
        classes, hidden = weights.shape
        shape = NetworkShape(image, padding, kernel, stride, maps, hidden, classes)
        return cls(shape, **{name: arrays[name] for name in _shapes(shape)})


def _shapes(shape: NetworkShape) -> dict[str, tuple[int, ...]]:
    """The shape of each array."""
    return {
        "kernels": (shape.maps, shape.kernel, shape.kernel),
        "kernel_constants": (shape.maps,),
        "hidden_weights": (shape.hidden, shape.maps * shape.side**2),
        "hidden_constants": (shape.hidden,),
        "weights": (shape.classes, shape.hidden),
        "constants": (shape.classes,),
    }
