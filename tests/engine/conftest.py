"""A tiny ViT in float64, and LoRAs for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from freeshot.contracts.pool import LoraEntry
from freeshot.engine.lora.bank import slots_of
from freeshot.engine.vit.backbone import Backbone, Normalize, weights_sha256

MakeEntry = Callable[..., LoraEntry]


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=rng, dtype=torch.float64)


@pytest.fixture(scope="session")
def backbone() -> Backbone:
    """Return a frozen ViT of 3 blocks and width 24 for 16 px, whose attention is far from uniform."""
    rng = torch.Generator().manual_seed(0)
    vit = VisionTransformer(img_size=16, patch_size=4, embed_dim=24, depth=3, num_heads=3, num_classes=0).double()
    with torch.no_grad():
        for weight in vit.parameters():
            scale = 1.5 / weight.shape[-1] ** 0.5 if weight.ndim > 1 else 0.3
            weight.copy_(normal(rng, *weight.shape) * scale + (weight if weight.ndim == 1 else 0))
    vit.eval().requires_grad_(False)
    normalize = Normalize((0.5, 0.4, 0.6), (0.5, 0.25, 0.3)).double()
    return Backbone("small", vit, normalize, 16, weights_sha256(vit))


@pytest.fixture
def images() -> Tensor:
    """Return six pictures."""
    return torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture(scope="session")
def make_entry(backbone: Backbone) -> MakeEntry:
    """Return a factory of strong LoRAs whose numbers fit into half precision, with heads of two classes."""

    def make(seed: int, rank: int = 2, targets: Sequence[str] = ("q", "v"), classes: int = 2) -> LoraEntry:
        rng = torch.Generator().manual_seed(seed)
        factors = {}
        for slot in slots_of(backbone.vit, targets):
            linear = backbone.vit.get_submodule(slot.module)
            assert isinstance(linear, nn.Linear)
            a = (normal(rng, rank, linear.in_features) * 0.3).half().double()
            b = (normal(rng, slot.stop - slot.start, rank) * 0.3).half().double()
            factors[slot] = (a, b)
        names = tuple(f"toy/{c}" for c in range(classes))
        head = normal(rng, classes, 24).half().double(), normal(rng, classes).half().double()
        return LoraEntry(f"lora-{seed:03d}", rank, factors, *head, names, tuple(range(classes)), {})

    return make
