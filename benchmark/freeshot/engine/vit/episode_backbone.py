"""A frozen copy of the network on which LoRAs of many episodes act in parallel.

Axes: e episodes, n images per episode, d features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from freeshot.basics.errors import ContractError
from freeshot.engine.vit.backbone import Normalize
from freeshot.engine.vit.forward import forward

if TYPE_CHECKING:
    from torch import Tensor, nn

    from freeshot.engine.vit.forward import AdditiveAdapter

AT_ONCE = 128
"""Images per forward pass if no gradient is needed."""


@dataclass(frozen=True, eq=False)
class EpisodeBackbone:
    """A frozen vision transformer and its normalisation."""

    vit: nn.Module
    normalize: Normalize

    @property
    def computing(self) -> nn.Module:
        """`vit` itself: tuning at test is in full precision."""
        return self.vit

    @classmethod
    def of(cls, network: nn.Module) -> EpisodeBackbone:
        """Freeze the network that `bench.backbone()` returns."""
        parts = list(network.children())
        if len(parts) != 2 or not isinstance(parts[0], Normalize):
            raise ContractError(
                "EpisodeBackbone needs the network that bench.backbone() returns: a normalisation, a network."
            )
        network.eval().requires_grad_(False)
        return cls(parts[1], parts[0])

    @property
    def like(self) -> Tensor:
        """Any weight of the network, for its dtype and device."""
        return next(self.vit.parameters())

    def features(
        self, images: Tensor, adapter: AdditiveAdapter | None = None, registers: Tensor | None = None
    ) -> Tensor:
        """Map images [e, n, 3, h, w] in 0…1 to features [e, n, d]; the batch is ordered by episode."""
        features = forward(self, images.flatten(0, 1), adapter, registers=registers).features  # [e·n, d]
        return features.view(*images.shape[:2], -1)  # [e, n, d]

    def features_without_gradient(
        self, images: Tensor, adapter: AdditiveAdapter | None = None, registers: Tensor | None = None
    ) -> Tensor:
        """Compute `features` without gradient, a few images of every episode at a time, which saves memory."""
        parts = torch.split(images, max(1, AT_ONCE // len(images)), dim=1)
        with torch.no_grad():
            return torch.cat([self.features(part, adapter, registers) for part in parts], dim=1)  # [e, n, d]
