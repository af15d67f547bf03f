"""The interface of backbones."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from freeshot.contracts.component import Component

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class BackboneProvider(Component):
    """Build a frozen vision transformer.

    The harness freezes what `build` returns, moves it to the device, hashes its weights and checks it.
    Expected are timm's names (`patch_embed`, `blocks[i].attn.qkv`, `norm1`, `mlp`, `forward_head`).
    """

    kind: ClassVar[str] = "backbone"

    @abstractmethod
    def build(self) -> nn.Module:
        """Return the model that maps normalised images [b, 3, h, w] to features [b, d]; use no network."""

    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and standard deviation per channel, in units of 0…1 pixels."""
        return (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)

    def image_size(self) -> int:
        """Return the side of the input in pixels."""
        return 224

    def comparable(self) -> bool:
        """Say whether records made with it can be compared; False for weights that were drawn, not learned."""
        return True
