"""Networks of the benches: the pocket suite's on any machine, ViT-B/16 at full size where there is a GPU."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import timm
import torch
from torch import Tensor, nn

from freeshot.contracts.pool import LoraEntry
from freeshot.engine import LoraBank, open_backbone, slots_of
from freeshot.engine.vit.backbone import Backbone, Normalize
from freeshot.engine.vit.bf16 import autocast
from freeshot.engine.vit.frozen_linear import FrozenLinear, with_frozen_linear
from freeshot.pool.store import open_pool
from freeshot_vision.pocket import POOL
from freeshot_vision.pocket.backbone import PocketVit


@dataclass(frozen=True, eq=False)
class Setting:
    """A network, and a LoRA with a 5-way head for it."""

    name: str
    backbone: Backbone
    entry: LoraEntry
    bf16: bool = False

    @property
    def depth(self) -> int:
        """Blocks of the network."""
        return len(list(self.backbone.vit.get_submodule("blocks").children()))

    @property
    def patches(self) -> int:
        """Patches of an image."""
        return (self.backbone.image_size // int(self.backbone.vit.patch_embed.patch_size[0])) ** 2  # type: ignore[index, union-attr]

    @property
    def width(self) -> int:
        """Features of an image."""
        return int(self.backbone.vit.num_features)  # type: ignore[arg-type]

    def pixels(self, *shape: int) -> Tensor:
        """Draw images [*shape, 3, h, w] on the network's device."""
        side = self.backbone.image_size
        drawn = torch.rand(*shape, 3, side, side, generator=torch.Generator().manual_seed(0))
        return drawn.to(self.backbone.device)

    def precision(self) -> AbstractContextManager[Any]:
        """Return the context in which networks of other libraries compute in the same precision."""
        return autocast(self.backbone.device.type, enabled=self.bf16)


def plain_copy(vit: nn.Module) -> Any:
    """Return a copy with torch's own linear layers, as other libraries use the network."""
    copied = copy.deepcopy(vit)
    for name, module in list(copied.named_modules()):
        if isinstance(module, FrozenLinear):
            layer = nn.Linear(module.in_features, module.out_features, module.bias is not None, device="meta")
            layer.weight, layer.bias = module.weight, module.bias
            parent, _, child = name.rpartition(".")
            setattr(copied.get_submodule(parent), child, layer)
    return copied


def pocket() -> Setting:
    """Open the pocket suite's network and the first LoRA of its pool."""
    backbone = open_backbone(PocketVit())
    return Setting("pocket-vit", backbone, open_pool(POOL, backbone.sha256).entries[0])


def full_size(model: str, device: torch.device, *, bf16: bool = True) -> Setting:
    """Build a network of timm's with random weights, which suffice for timing."""
    vit: Any = timm.create_model(model, num_classes=0)
    vit = with_frozen_linear(vit.eval().requires_grad_(False).to(device))
    side = int(vit.patch_embed.img_size[0])
    backbone = Backbone(model, vit, Normalize((0.5,) * 3, (0.5,) * 3).to(device), side, "random")
    backbone = replace(backbone, precision="bf16" if bf16 else "fp32")
    return Setting(f"{model}, {'bf16' if bf16 else 'float32'}", backbone, random_lora(backbone), bf16)


def random_lora(backbone: Backbone, rank: int = 4) -> LoraEntry:
    """Return a LoRA of random numbers with a 5-way head."""
    bank = LoraBank.fresh(backbone.vit, slots_of(backbone.vit), rank, 1, torch.Generator().manual_seed(0))
    factors = {slot: (a, torch.randn_like(b) * 0.01) for slot, (a, b) in bank.entry_factors(0).items()}
    width = int(backbone.vit.num_features)  # type: ignore[arg-type]
    classes = tuple(f"c{n}" for n in range(5))
    return LoraEntry("random", rank, factors, torch.randn(5, width), torch.zeros(5), classes, tuple(range(5)))
