"""A frozen copy of the network on which LoRAs of many episodes act side by side.

Axes: e episodes, n images of each, d features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from freeshot.basics.errors import ContractError
from freeshot.engine.backbone import Normalize
from freeshot.engine.forward import look

if TYPE_CHECKING:
    from torch import Tensor, nn

    from freeshot.engine.forward import Adding

AT_ONCE = 128
"""Images that pass through together where no gradient is wanted."""


@dataclass(frozen=True, eq=False)
class Trunk:
    """A frozen vision transformer and its normalisation."""

    vit: nn.Module
    normalize: Normalize

    @classmethod
    def of(cls, network: nn.Module) -> Trunk:
        """Freeze what `bench.backbone()` gave."""
        parts = list(network.children())
        if len(parts) != 2 or not isinstance(parts[0], Normalize):
            raise ContractError("A trunk is made of what bench.backbone() returns: a normalisation, then a network.")
        network.eval().requires_grad_(False)
        return cls(parts[1], parts[0])

    @property
    def like(self) -> Tensor:
        """Some weight, for its type and device."""
        return next(self.vit.parameters())

    def features(self, images: Tensor, adding: Adding | None = None, registers: Tensor | None = None) -> Tensor:
        """Map images [e, n, 3, h, w] in 0…1 to features [e, n, d]; images of an episode lie behind each other."""
        seen = look(self, images.flatten(0, 1), adding, registers=registers).features
        return seen.view(*images.shape[:2], -1)

    def features_without_gradient(
        self, images: Tensor, adding: Adding | None = None, registers: Tensor | None = None
    ) -> Tensor:
        """Do the same in parts of some images of every episode, which saves memory."""
        parts = torch.split(images, max(1, AT_ONCE // len(images)), dim=1)
        with torch.no_grad():
            return torch.cat([self.features(part, adding, registers) for part in parts], dim=1)
