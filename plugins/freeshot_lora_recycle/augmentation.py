"""Random changes of images: crops, enlarged to the images' size, and colours; different for each image.

Axes: n images, 3 channels, h × w pixels.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, grid_sample

ASPECTS = (3 / 4, 4 / 3)
"""Range of the ratio of a crop's sides, as usual for random resized crops."""


def random_crops(images: Tensor, area: float, rng: Generator) -> Tensor:
    """Crop images [n, 3, h, w] to a share `area`…1 of their pixels and enlarge the crops to the same size.

    Aspect ratios are drawn from `ASPECTS`; a side that would be longer than the image's is cut to that.
    """
    count = len(images)
    share = area + (1 - area) * torch.rand(count, generator=rng)  # [n]
    aspect = ASPECTS[0] + (ASPECTS[1] - ASPECTS[0]) * torch.rand(count, generator=rng)  # [n]
    width, height = (share * aspect).sqrt().clamp(max=1), (share / aspect).sqrt().clamp(max=1)  # of the image's, [n]
    x, y = (2 * torch.rand(2, count, generator=rng) - 1) * torch.stack([1 - width, 1 - height])  # centres in −1…1
    return resized_crops(images, torch.stack([width, height, x, y], dim=1))


def resized_crops(images: Tensor, crops: Tensor) -> Tensor:
    """Cut a crop out of each image [n, 3, h, w] and enlarge it bilinearly to the same size.

    `crops` [n, 4] are width and height as shares of the image's, and the centre's x and y from −1 to 1.
    """
    transforms = torch.zeros(len(images), 2, 3)
    transforms[:, 0, 0], transforms[:, 1, 1] = crops[:, 0], crops[:, 1]
    transforms[:, :, 2] = crops[:, 2:]
    grid = affine_grid(transforms.to(images), list(images.shape), align_corners=False)  # [n, h, w, 2]
    return grid_sample(images, grid, padding_mode="border", align_corners=False)


def recoloured(images: Tensor, strength: float, rng: Generator) -> Tensor:
    """Change brightness, channels and contrast of images [n, 3, h, w] in 0…1, which stay in 0…1.

    Brightness and contrast are multiplied by 1 ± `strength` / 2, each channel is moved by up to `strength` / 4.
    """
    factors = (1 + strength * (torch.rand(2, len(images), 1, 1, 1, generator=rng) - 0.5)).to(images)  # [2, n, 1, 1, 1]
    moved = strength / 2 * (torch.rand(len(images), 3, 1, 1, generator=rng) - 0.5)  # [n, 3, 1, 1]
    images = images * factors[0] + moved.to(images)
    mean = images.mean((1, 2, 3), keepdim=True)
    return ((images - mean) * factors[1] + mean).clamp(0, 1)
