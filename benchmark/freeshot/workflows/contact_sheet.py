"""Contact sheets: the surrogate images of a LoRA, one class per row, unmasked and masked.

Axes: c classes, m images of each, h × w pixels, s × s patches.
"""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from freeshot.basics.files import atomic_path
from freeshot.contracts.tensors import SurrogateSet

DROPPED = 0.5
"""Grey value of patches that meta-training does not use."""


SMALL = 64
"""Images with fewer pixels on a side are shown at twice their size."""


def contact_sheet(surrogates: SurrogateSet, patch: int, columns: int = 6, zoom: int | None = None) -> Tensor:
    """Arrange the first images of each class in a row, followed by their masked versions: uint8 [H, W, 3].

    `patch` is the side of a patch in pixels; each pixel is repeated `zoom` times, by default as SMALL states.
    """
    shots = surrogates.shots
    zoom = zoom or (2 if shots.images.shape[-1] < SMALL else 1)
    rows = []
    for label in range(len(surrogates.class_ids)):
        chosen = (shots.labels == label).nonzero().flatten()[:columns]
        images = shots.images[chosen].cpu()  # [m, 3, h, w]
        parts = [images]
        if shots.kept is not None:
            parts.append(masked(images, shots.kept[chosen].cpu(), patch))
        rows.append(torch.cat([image for part in parts for image in part], dim=2))  # [3, h, columns × w × parts]
    sheet = torch.cat(rows, dim=1).repeat_interleave(zoom, 1).repeat_interleave(zoom, 2)  # [c·h, width, 3] × zoom
    return (sheet * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()


def masked(images: Tensor, kept: Tensor, patch: int) -> Tensor:
    """Grey out the patches of images [m, 3, h, w] that are not among `kept` [m, k]."""
    m, _, h, w = images.shape
    grid = torch.zeros(m, (h // patch) * (w // patch)).scatter(1, kept, 1.0).view(m, 1, h // patch, w // patch)
    visible = grid.repeat_interleave(patch, 2).repeat_interleave(patch, 3)  # [m, 1, h, w]
    return images * visible + DROPPED * (1 - visible)


def save_sheet(sheet: Tensor, path: Path) -> None:
    """Write a sheet uint8 [H, W, 3] as PNG with 64 colours, a third of the full size."""
    with atomic_path(path) as temporary:
        few = Image.fromarray(sheet.numpy()).quantize(64, dither=Image.Dither.NONE)
        few.save(temporary, format="PNG", optimize=True)
