"""The loss on a support set if features are tuned and no head is learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from freeshot_baselines.adaptation.augmentation import augmented
from freeshot_baselines.adaptation.heads import episode_losses, labels_of, leave_one_out, nearest_mean


def support_losses(
    features: Callable[[Tensor], Tensor],
    support: Tensor,
    way: int,
    rngs: Sequence[Generator],
    copies: Tensor | None = None,
) -> Tensor:
    """Return each support set's leave-one-out classification loss by class means [e].

    Each image is classified by means computed without it. With one shot the images classify augmented copies instead:
    new ones at every call unless `copies` are given.
    """
    labels = labels_of(support, way)
    if support.shape[1] > way:
        return episode_losses(leave_one_out(features(support), way), labels)
    both = torch.cat([support, augmented(support, rngs) if copies is None else copies], dim=1)
    originals, changed = features(both).chunk(2, dim=1)
    return episode_losses(nearest_mean(changed, originals, way), labels)
