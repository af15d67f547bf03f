"""Batched augmentation for pre-training on icons, emoji and photos, on whatever device the images are.

Axes: b batch; images float [b, 3, h, w] in 0…1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import affine_grid, grid_sample, max_pool2d

if TYPE_CHECKING:
    from torch import Tensor


def augment(images: Tensor) -> Tensor:
    """Move, thicken or thin, recolour, invert: what a picture of the same thing may look like elsewhere."""
    return recolour(restroke(move(images)))


def move(images: Tensor) -> Tensor:
    """Rotate by up to 20°, scale 0.7…1.2 each way, shear, shift by up to 12 % and flip half of the images."""
    b, device = len(images), images.device
    angle = (torch.rand(b, device=device) * 2 - 1) * math.radians(20)
    scale = 0.7 + 0.5 * torch.rand(b, 2, device=device)
    shear = (torch.rand(b, device=device) * 2 - 1) * 0.2
    flip = (torch.rand(b, device=device) < 0.5).float() * 2 - 1
    shift = (torch.rand(b, 2, device=device) * 2 - 1) * 0.24
    cos, sin = angle.cos(), angle.sin()
    theta = torch.stack(
        [
            torch.stack([flip * cos / scale[:, 0], (shear - sin) / scale[:, 1], shift[:, 0]], 1),
            torch.stack([flip * sin / scale[:, 0], cos / scale[:, 1], shift[:, 1]], 1),
        ],
        1,
    )  # [b, 2, 3]
    grid = affine_grid(theta, list(images.shape), align_corners=False)
    # Outside of a picture lies its own paper: its corner's colour, not black.
    paper = images[:, :, :1, :1]
    return grid_sample(images - paper, grid, align_corners=False, padding_mode="zeros") + paper


def restroke(images: Tensor) -> Tensor:
    """Thicken a fifth of the images' dark strokes by a pixel, thin another fifth."""
    b = len(images)
    choice = torch.rand(b, 1, 1, 1, device=images.device)
    thick = -max_pool2d(-images, 2, 1, 1)[..., :-1, :-1]
    thin = max_pool2d(images, 2, 1, 1)[..., :-1, :-1]
    return torch.where(choice < 0.2, thick, torch.where(choice > 0.9, thin, images))


def recolour(images: Tensor) -> Tensor:
    """Invert a third, mix the channels of a third, and change contrast and brightness a little."""
    b, device = len(images), images.device
    images = torch.where(torch.rand(b, 1, 1, 1, device=device) < 0.33, 1 - images, images)
    ink = torch.rand(b, 3, 1, 1, device=device)
    tinted = images * (1 - ink) + ink  # dark strokes take the ink's colour, white stays white
    images = torch.where(torch.rand(b, 1, 1, 1, device=device) < 0.33, tinted, images)
    contrast = 0.6 + 0.4 * torch.rand(b, 1, 1, 1, device=device)
    offset = (1 - contrast) * torch.rand(b, 1, 1, 1, device=device)
    noise = 0.03 * torch.randn_like(images)
    return (images * contrast + offset + noise).clamp(0, 1)
