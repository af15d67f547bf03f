"""Measures the speed of this machine with one second of forward and backward passes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

from freeshot.engine.metering.meter import metered
from freeshot.engine.vit.forward import forward

if TYPE_CHECKING:
    from freeshot.engine.vit.backbone import Backbone

PIXELS = 50_000
"""Approximate pixels per batch: 64 images of 28 px, or one of 224 px."""


def operations_per_second(backbone: Backbone, seconds: float = 1.0) -> float:
    """Run forward and backward on grey images for about `seconds`, and return FLOP/s."""
    side = backbone.image_size
    batch = max(1, PIXELS // side**2)
    images = torch.full((batch, 3, side, side), 0.5, device=backbone.device, dtype=backbone.dtype, requires_grad=True)
    forward(backbone, images).features.sum().backward()  # type: ignore[no-untyped-call]  # warm-up
    begun = time.perf_counter()
    with metered(backbone.device) as cost:
        while time.perf_counter() - begun < seconds:
            forward(backbone, images).features.sum().backward()  # type: ignore[no-untyped-call]
            if backbone.device.type == "cuda":
                torch.cuda.synchronize(backbone.device)
    return cost.flops / cost.seconds
