"""pocket-vit as a backbone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from freeshot import BackboneProvider, FreeshotError
from freeshot_vision.pocket import WEIGHTS

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class PocketVit(BackboneProvider):
    """A ViT of 1.3 million weights for 28 px, pre-trained on icons, emoji and photographs."""

    name = "pocket-vit"
    weights: str = ""
    """Safetensors file to read instead of the shipped one."""

    def build(self) -> nn.Module:
        """Build the network with its weights, which are stored in half precision and used in full precision."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        from freeshot_vision.pocket.vit import pocket_vit

        path = Path(self.weights) if self.weights else WEIGHTS
        model = pocket_vit()
        try:
            model.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
        except (OSError, SafetensorError, RuntimeError) as error:
            reason = str(error).partition("\n")[0]
            raise FreeshotError(f"The weights {path} cannot be used ({reason}). Use those of pocket-vit.") from None
        return model

    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return one half for mean and deviation of every channel."""
        from freeshot_vision.pocket.vit import MEAN, STD

        return MEAN, STD

    def image_size(self) -> int:
        """Return 28."""
        from freeshot_vision.pocket.vit import SIZE

        return SIZE
