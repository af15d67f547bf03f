"""Image files that are decoded on access."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from freeshot.basics.errors import DataError
from freeshot.basics.files import canonical_json
from freeshot.data.decode import Fit, read_picture
from freeshot.data.hash_cache import content_hashes

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

Resizable = TypeVar("Resizable")

SIDE = 224
"""Pixels along each side, unless another size is requested."""


@dataclass(frozen=True, eq=False)
class FileImages:
    """Labelled image files; implements `freeshot.Images`."""

    files: tuple[Path, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    memory: Path | None = None
    """Cache file of content hashes."""
    fit: Fit = "square"
    side: int = SIDE
    upright: bool = False
    """Turn images as their EXIF orientation demands; data sets are read as they are stored."""
    skipped: dict[int, str] | None = None
    """Index → sentence of each image that could not be read and was read as black; None: the first raises DataError."""

    def __len__(self) -> int:
        return len(self.files)

    def at(self, side: int) -> FileImages:
        """Return the same images at another size."""
        return shown_at(self, side)

    @cached_property
    def sha256(self) -> str:
        """Hash the contents of all files, labels, class names and the way images are made square.

        The side is left out: it belongs to the backbone, whose own hash is recorded wherever pixels matter. File names
        are left out as well: the same images in another folder are the same data set.
        """
        shown = [self.fit, self.classes, self.labels.tolist(), content_hashes(self.files, self.memory)]
        shown += ["upright"] * self.upright
        return hashlib.sha256(canonical_json(shown).encode()).hexdigest()

    def read(self, indices: Sequence[int]) -> Tensor:
        """Return uint8 [b, 3, side, side]; DataError names a file that is not a valid image."""
        import torch

        pixels = np.empty((len(indices), self.side, self.side, 3), np.uint8)
        for row, index in zip(pixels, indices, strict=True):
            try:
                row[:] = read_picture(self.files[index], self.side, self.fit, upright=self.upright)
            except DataError as error:
                if self.skipped is None:
                    raise
                self.skipped[index] = str(error)
                row[:] = 0
        return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()  # [b, 3, side, side]


def images_of(
    members: Mapping[str, Sequence[Path]], classes: Sequence[str], memory: Path | None, fit: Fit = "square"
) -> FileImages:
    """Open the images of some classes, class by class in the given order."""
    files = tuple(file for name in classes for file in members[name])
    labels = np.repeat(np.arange(len(classes)), [len(members[name]) for name in classes]).astype(np.int64)
    return FileImages(files, labels, tuple(classes), memory, fit)


def shown_at(images: Resizable, side: int) -> Resizable:
    """Copy a frozen dataclass of images with another `side`; the hash is kept, as it does not depend on the size."""
    frozen: Any = images
    shown: Resizable = replace(frozen, side=side)
    vars(shown).update({name: value for name, value in vars(images).items() if name == "sha256"})
    return shown
