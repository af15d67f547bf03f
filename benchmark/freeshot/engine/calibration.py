"""How fast this machine is, from a second of the work that is ahead of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

from freeshot.engine.forward import look
from freeshot.engine.meter import metered

if TYPE_CHECKING:
    from freeshot.engine.backbone import Backbone

PIXELS = 50_000
"""Of a batch, about: 64 images of 28 px, or one of 224 px."""


def operations_per_second(backbone: Backbone, seconds: float = 1.0) -> float:
    """Look at grey images forward and backward for about so long, and return floating-point operations per second."""
    side = backbone.image_size
    batch = max(1, PIXELS // side**2)
    images = torch.full((batch, 3, side, side), 0.5, device=backbone.device, dtype=backbone.dtype, requires_grad=True)
    look(backbone, images).features.sum().backward()  # type: ignore[no-untyped-call]  # the first time is slower
    begun = time.perf_counter()
    with metered(backbone.device) as cost:
        while time.perf_counter() - begun < seconds:
            look(backbone, images).features.sum().backward()  # type: ignore[no-untyped-call]
            if backbone.device.type == "cuda":
                torch.cuda.synchronize(backbone.device)
    return cost.flops / cost.seconds
