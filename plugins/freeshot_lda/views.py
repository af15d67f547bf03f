"""Views of an image: small affine changes under which its class stays the same.

Axes: b images, 3 channels, h × w pixels.
"""

from __future__ import annotations

from math import cos, radians, sin

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

Affine = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Position in the image for each position in the view, with coordinates from −1 to 1: a 2 × 3 matrix."""


def _scaled(across: float, along: float) -> Affine:
    return (across, 0, 0), (0, along, 0)


def _turned(degrees: float) -> Affine:
    c, s = cos(radians(degrees)), sin(radians(degrees))
    return (c, -s, 0), (s, c, 0)


VIEWS: dict[str, Affine] = {
    "mirror": _scaled(-1, 1),
    "small": _scaled(1.1, 1.1),
    "small-mirror": _scaled(-1.1, 1.1),
    "large": _scaled(0.9, 0.9),
    "left": _turned(10),
    "right": _turned(-10),
}
"""Views by name: mirrored, a tenth smaller with repeated borders, a tenth larger, turned by 10 degrees."""


def viewed(images: Tensor, view: str) -> Tensor:
    """Return a view of the images [b, 3, h, w], of the same shape, interpolated bilinearly."""
    theta = torch.tensor(VIEWS[view], dtype=images.dtype, device=images.device).expand(len(images), 2, 3)
    grid = affine_grid(theta, list(images.shape), align_corners=False)  # [b, h, w, 2]
    return grid_sample(images, grid, padding_mode="border", align_corners=False)
