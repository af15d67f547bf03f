"""Augmented copies of support images, as in P>M>F: colour changes and shifts.

Axes: e episodes, n images; images [e, n, 3, h, w] in 0…1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

REACH = 1 / 8
"""Largest shift of an image, in units of its side."""


def augmented(images: Tensor, rngs: Sequence[Generator], probability: float = 0.9) -> Tensor:
    """Augment each image [e, n, 3, h, w] with a probability: brightness, saturation, contrast, then a shift.

    The ranges are those of differentiable augmentation (Zhao et al., 2020), which P>M>F uses. Uncovered borders are
    replicated (ours: black bars would be unnatural), and values stay in 0…1.
    """
    draws = torch.stack([torch.rand(images.shape[1], 6, generator=rng) for rng in rngs]).to(images)  # [e, n, 6]
    chosen, brighter, colour, contrast, *_ = draws.view(*draws.shape, 1, 1, 1).unbind(2)  # [e, n, 1, 1, 1] each
    changed = images + (brighter - 0.5)
    grey = changed.mean(2, keepdim=True)
    changed = (changed - grey) * (2 * colour) + grey
    middle = changed.mean((2, 3, 4), keepdim=True)
    changed = ((changed - middle) * (contrast + 0.5) + middle).clamp(0, 1)
    changed = shifted(changed, draws[..., 4], draws[..., 5])
    return torch.where(chosen < probability, changed, images)


def shifted(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Shift each image by whole pixels; `down` and `right` [e, n] in 0…1 map to −REACH…REACH."""
    h, w = images.shape[-2:]
    rows, columns = (_moved(share, side) for share, side in ((down, h), (right, w)))  # [e, n, h], [e, n, w]
    images = images.gather(3, rows[:, :, None, :, None].expand_as(images))
    return images.gather(4, columns[:, :, None, None, :].expand_as(images))


def _moved(share: Tensor, side: int) -> Tensor:
    """Return the source index of each row [e, n, side]."""
    most = int(side * REACH + 0.5)
    by = (share * (2 * most + 1)).floor().clamp(max=2 * most).long() - most  # −most…most, equally likely
    return (torch.arange(side, device=share.device) - by.unsqueeze(-1)).clamp(0, side - 1)
