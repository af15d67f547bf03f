"""Shortcut for strategies that act after the last attention only: they change no feature, only the final mask.

With the class token as feature, nothing after the last attention layer uses patch tokens. Surrogates are then the same
as without a strategy, so one inversion serves every pruning ratio.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from freeshot.contracts.efficiency import EfficiencyStrategy
from freeshot.engine.inversion.teacher import BankTeacher

if TYPE_CHECKING:
    from torch import nn

    from freeshot.contracts.pool import LoraEntry
    from freeshot.contracts.tensors import SurrogateSet
    from freeshot.engine.vit.backbone import Backbone

AT_ONCE = 256


def only_masks(vit: nn.Module, strategy: EfficiencyStrategy) -> bool:
    """Return whether a strategy leaves this network's features unchanged, whatever patches it keeps."""
    depth = len(list(vit.get_submodule("blocks").children()))
    at = {layer % depth for layer in strategy.layers(depth)}
    own = type(strategy)
    return (
        getattr(vit, "global_pool", None) == "token"
        and at <= {depth - 1}
        and own.patches is EfficiencyStrategy.patches
        and own.merging is EfficiencyStrategy.merging
        and _keeps_tokens(strategy)
    )


def with_mask(
    backbone: Backbone, entry: LoraEntry, strategy: EfficiencyStrategy, surrogates: SurrogateSet
) -> SurrogateSet:
    """Add the strategy's final mask [n, k] to surrogates, computed with their LoRA."""
    teacher = BankTeacher(backbone, [entry], strategy)
    images = surrogates.shots.images
    with torch.no_grad():
        parts = [teacher.final_patches(block.to(backbone.device)) for block in torch.split(images, AT_ONCE)]
    if any(part is None for part in parts):
        return surrogates
    kept = torch.cat([part.cpu() for part in parts if part is not None])  # [n, k]
    return replace(surrogates, shots=replace(surrogates.shots, kept=kept))


def _keeps_tokens(strategy: EfficiencyStrategy) -> bool:
    tokens, normed = torch.zeros(1, 1, 1), torch.ones(1, 1, 1)
    return strategy.residual(tokens, normed) is tokens
