"""Layers for small images of handwriting that learn nothing, so that little is left to be learnt after them.

A teacher has few images. What is known about writing without having seen any of them is put into fixed
layers: a digit stays the same digit when its paper is bent a little (`Bend`) and when the hand slants
(`Straighten`), and what tells digits apart is where strokes run in which direction (`Strokes`).

Promises: float images of shape (n, 1, side, side), 0 is paper and 1 is ink, in; images of the same shape, or
features of shape (n, length), out. Nothing depends on any data but the image itself.
Leaves out: photographs, colours, and anything else that is not dark writing on empty paper.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class Bend(nn.Module):
    """While training, bend the paper of each image at random, another way each time; else do nothing.

    Turn, size, slant and place change a little (uniformly, up to `affine`), and a net of 5 x 5 points is
    moved (normally, by `elastic`), the paper between them smoothly along. Lengths are in units of half a
    side.

    >>> images, layer = torch.rand(3, 1, 28, 28), Bend()
    >>> bool((layer(images) == images).all()), bool((layer.eval()(images) == images).all())
    (False, True)

    Source: Simard, Steinkraus and Platt, Best Practices for Convolutional Neural Networks (2003), section 2.
    """

    def __init__(self, side: int = 28, *, affine: float = 0.25, elastic: float = 0.12):
        super().__init__()
        self.affine, self.elastic = affine, elastic
        place, points = torch.linspace(-1, 1, side), torch.linspace(-1, 1, 5)
        nearness = torch.exp(-((place[:, None] - points) ** 2) / (2 * 0.35**2))
        self.register_buffer("nearness", nearness / nearness.sum(dim=1, keepdim=True))

    def forward(self, images: Tensor) -> Tensor:
        """Images of shape (n, 1, side, side), bent."""
        if not self.training:
            return images
        count, device = len(images), images.device
        turn = torch.eye(2, 3, device=device)
        turn = turn + self.affine * (2 * torch.rand(count, 2, 3, device=device) - 1)
        moved = self.elastic * torch.randn(count, 2, 5, 5, device=device)
        moved = (self.nearness @ moved @ self.nearness.T).permute(0, 2, 3, 1)
        return _looked_up(images, _grid(images, turn) + moved)


class Straighten(nn.Module):
    """Put each image's ink in the middle, and shear it until it does not slant.

    The slant is how much further left the ink is for each step down, by least squares.

    >>> slash = torch.eye(28).flip(1)[None, None]
    >>> columns = Straighten()(slash)[0, 0].sum(dim=0)
    >>> bool(columns[12:16].sum() > 0.9 * columns.sum())
    True

    Source: LeCun et al., Gradient-Based Learning Applied to Document Recognition (1998), section III.A.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Images of shape (n, 1, side, side), upright."""
        place = torch.linspace(-1, 1, images.shape[-1], device=images.device)
        ink = images[:, 0] / (images.sum(dim=(1, 2, 3)) + 1e-6)[:, None, None]
        rows, columns = ink.sum(dim=2), ink.sum(dim=1)
        down, right = rows @ place, columns @ place
        together = (ink @ place) @ place - down * right
        slant = (together / (rows @ place**2 - down**2 + 1e-3)).clamp(-1, 1)
        one, zero = torch.ones_like(slant), torch.zeros_like(slant)
        shear = torch.stack([one, slant, right, zero, one, down], dim=1).unflatten(1, (2, 3))
        return _looked_up(images, _grid(images, shear))


class Strokes(nn.Module):
    """How much ink begins, going in each of `directions`, in each of `places` x `places` overlapping spots.

    Returns shape (n, directions * places**2). The square root lifts what is faint.

    >>> Strokes()(torch.rand(3, 1, 28, 28)).shape
    torch.Size([3, 588])

    Source: Dalal and Triggs, Histograms of Oriented Gradients for Human Detection (2005).
    """

    def __init__(self, side: int = 28, *, directions: int = 12, places: int = 7):
        super().__init__()
        pixel, middle = torch.arange(side), (torch.arange(places) + 0.5) * side / places - 0.5
        distance = pixel - pixel[:, None]
        blur = torch.exp(-(distance**2) / 2)
        near = torch.exp(-((pixel - middle[:, None]) ** 2) / (2 * (0.62 * side / places) ** 2))
        angle = (2 * math.pi / directions * torch.arange(directions))[:, None, None]
        self.register_buffer("blur", blur)
        self.register_buffer("change", distance * blur)
        self.register_buffer("spots", near / near.sum(dim=1, keepdim=True))
        self.register_buffer("cosine", angle.cos())
        self.register_buffer("sine", angle.sin())

    def forward(self, images: Tensor) -> Tensor:
        """Features of shape (n, directions * places**2) of images of shape (n, 1, side, side)."""
        to_the_right = self.blur @ images @ self.change.T
        down = self.change @ images @ self.blur.T
        begins = (self.cosine * to_the_right + self.sine * down).relu()
        return (self.spots @ begins @ self.spots.T).clamp(min=1e-6).sqrt().flatten(1)


def _grid(images: Tensor, transform: Tensor) -> Tensor:
    """Where each pixel of the result is looked up: `transform` (n, 2, 3) of its place, (n, side, side, 2)."""
    place = torch.linspace(-1, 1, images.shape[-1], device=images.device)
    along, down = transform[:, :, :1] * place, transform[:, :, 1:2] * place + transform[:, :, 2:]
    return (along[:, :, None, :] + down[:, :, :, None]).permute(0, 2, 3, 1)


def _looked_up(images: Tensor, grid: Tensor) -> Tensor:
    return functional.grid_sample(images, grid, align_corners=True)
