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

    The harness freezes the model that `build` returns, moves it to the device, hashes its weights and validates it.
    timm's names are expected (`patch_embed`, `blocks[i].attn.qkv`, `norm1`, `mlp`, `forward_head`).
    """

    kind: ClassVar[str] = "backbone"

    @abstractmethod
    def build(self) -> nn.Module:
        """Return the model that maps normalised images [b, 3, h, w] to features [b, d]; must not use the internet."""

    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return the normalisation mean and standard deviation per channel, for pixels in 0…1."""
        return (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)

    def image_size(self) -> int:
        """Return the side of the input images in pixels."""
        return 224

    @classmethod
    def proposal(cls, network: str, model_class: str = "") -> str:  # noqa: ARG003
        """Return this backbone as --backbone spells it, if it can be the network that an adapter names; else ''.

        `network` is PEFT's base_model_name_or_path, a hub id, a folder or timm's name; `model_class` the class of the
        model that PEFT tuned, such as 'Dinov2ForImageClassification', or ''.
        """
        return ""

    def comparable(self) -> bool:
        """Return whether its records may enter a leaderboard; False for random weights."""
        return True
