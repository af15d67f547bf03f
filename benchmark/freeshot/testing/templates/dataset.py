"""A new data set: labelled images whose classes are split into base, validation and novel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from freeshot import FewShotDataset, Images, hookimpl

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

SPLITS = {"base": range(8), "validation": range(8, 13), "novel": range(13, 18)}
PER_CLASS, SIDE = 20, 32


@dataclass(frozen=True)
class Mine(FewShotDataset):
    """Eighteen synthetic kinds of stripes; read your own files instead."""

    name = "mine"
    domain = "stripes"
    license = "CC0-1.0"

    def load(self, split: str, root: Path) -> Images:
        """Return one split; if files are missing in `root`, raise DataError that names them."""
        return MineImages(SPLITS[split])


@dataclass(frozen=True)
class MineImages:
    """Images by index, drawn on access."""

    kinds: range
    side: int = SIDE

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(f"stripes-{kind}" for kind in self.kinds)

    @property
    def labels(self) -> NDArray:  # type: ignore[type-arg]
        """[n] integers, index into `classes`."""
        import numpy as np

        return np.repeat(np.arange(len(self.kinds)), PER_CLASS)

    @property
    def sha256(self) -> str:
        """Hash of the content; hash the files if there are any."""
        import hashlib

        return hashlib.sha256(f"stripes {self.kinds}".encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.kinds) * PER_CLASS

    def at(self, side: int) -> MineImages:
        """Return the same images at another size; omit this method if there is only one size."""
        return replace(self, side=side)

    def read(self, indices: Sequence[int]) -> Tensor:
        """Return uint8 [b, 3, side, side]."""
        import torch

        return torch.stack([_stripes(self.kinds[i // PER_CLASS], i % PER_CLASS, self.side) for i in indices])


def _stripes(kind: int, number: int, side: int) -> Tensor:
    """Draw [3, side, side]: the kind determines angle and width, the number the phase."""
    import math

    import torch

    steps = torch.arange(side) * SIDE / side  # the same image at every size
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    across = x * math.cos(kind) + y * math.sin(kind) + 0.7 * number
    grey = 0.5 + 0.5 * torch.sin(across * (0.4 + 0.1 * (kind % 5)))
    return (255 * grey).to(torch.uint8).expand(3, side, side).clone()


@hookimpl
def freeshot_datasets() -> list[type[FewShotDataset]]:
    """Register it: tracks use it by name."""
    return [Mine]
