"""Whether the images of a data set fit a backbone, checked on one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from freeshot.contracts.dataset import wrong_size


@dataclass(frozen=True)
class Blank:
    """Black images of one size."""

    height: int
    width: int
    count: int = 2
    classes = ("black",)
    sha256 = "black"

    @property
    def labels(self) -> Any:
        return np.zeros(self.count, dtype=int)

    def __len__(self) -> int:
        return self.count

    def read(self, indices: Sequence[int]) -> Tensor:
        return torch.zeros(len(indices), 3, self.height, self.width, dtype=torch.uint8)


@dataclass(frozen=True)
class Elastic(Blank):
    """Black images of any size up to 32 px."""

    def at(self, side: int) -> Elastic:
        return replace(self, height=min(side, 32), width=min(side, 32))


@pytest.mark.parametrize("images", [Blank(16, 16), Elastic(32, 32), Elastic(8, 8), Blank(9, 9, count=0)])
def test_images_fit_that_have_the_side_of_the_backbone_or_can_take_it(images: Blank) -> None:
    assert wrong_size(images, "mine", 16, "toy-vit") == ""


@pytest.mark.parametrize(("images", "size"), [(Blank(20, 20), "20 px"), (Blank(16, 20), "20 × 16 px")])
def test_images_of_another_size_are_refused_with_both_sizes(images: Blank, size: str) -> None:
    assert wrong_size(images, "mine", 16, "toy-vit") == (
        f"'mine' gives images of {size}, but the backbone 'toy-vit' takes 16 px. "
        "Return 16 px, offer at(side), or choose another backbone."
    )


def test_images_that_ignore_the_side_are_refused() -> None:
    assert wrong_size(Elastic(8, 8), "mine", 64, "toy-vit") == (
        "'mine' gives images of 32 px by at(64), but the backbone 'toy-vit' takes 64 px. "
        "Return the side that was passed to at."
    )
