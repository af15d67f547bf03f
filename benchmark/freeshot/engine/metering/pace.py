"""Measured duration of a forward and backward pass, from which the duration of long stages is estimated."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from freeshot.engine.metering.meter import metered

LARGEST = 64
"""Images in the largest batch."""
ENOUGH = 0.3
"""Seconds above which a pass is not repeated with more images."""
REPEATS = 3
"""Passes of the largest batch; the fastest counts, because other processes only slow a pass down."""


def seconds_per_image(loss: Callable[[Tensor], Tensor], side: int, device: torch.device) -> float:
    """Time a pass of random images [n, 3, side, side] through a scalar loss and back; n doubles while it is short.

    The gradient of the images is computed, too, unless the loss detaches them.
    """
    count = 1
    _timed(loss, count, side, device)  # the first pass also allocates memory and selects kernels
    while (seconds := _timed(loss, count, side, device)) < ENOUGH and count < LARGEST:
        count *= 2
    repeated = (_timed(loss, count, side, device) for _ in range(REPEATS - 1))
    return min(seconds, *repeated) / count


def _timed(loss: Callable[[Tensor], Tensor], count: int, side: int, device: torch.device) -> float:
    """Time one pass, metered as the stages of a cell are."""
    images = torch.rand(count, 3, side, side, device=device).requires_grad_()
    with metered(device) as cost:
        loss(images).backward()  # type: ignore[no-untyped-call]
    return cost.seconds
