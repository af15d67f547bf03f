"""A new backbone: the frozen network of all methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import BackboneProvider, hookimpl

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Mine(BackboneProvider):
    """A tiny ViT with random weights; load your own instead."""

    name = "mine"
    width: int = 48
    """Features per token."""

    def build(self) -> nn.Module:
        """Return the model that maps normalised images [b, 3, h, w] to features [b, d]; must not use the internet."""
        import torch
        from timm.models.vision_transformer import VisionTransformer

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # the same weights at every call: their hash identifies the network
            return VisionTransformer(
                img_size=32, patch_size=8, embed_dim=self.width, depth=3, num_heads=3, num_classes=0
            )

    def image_size(self) -> int:
        """Return the side of the input images in pixels."""
        return 32


@hookimpl
def freeshot_backbones() -> list[type[BackboneProvider]]:
    """Register it: `--backbone mine`, and by name in tracks."""
    return [Mine]
