"""Shortcut for strategies that act after the last attention only: they change no feature, only the final mask.

With the class token as feature, nothing after the last attention layer uses patch tokens. Surrogates are then the same
as without a strategy, so one inversion serves every pruning ratio.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from freeshot.contracts.pool import LoraEntry
from freeshot.contracts.strategy import EfficiencyStrategy
from freeshot.contracts.tensors import SurrogateSet
from freeshot.engine.inversion.teacher import BankTeacher
from freeshot.engine.vit.backbone import Backbone

BATCH = 256


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
        masks = [teacher.final_patches(batch.to(backbone.device)) for batch in torch.split(images, BATCH)]
    kept = [mask.cpu() for mask in masks if mask is not None]
    if len(kept) < len(masks):
        return surrogates
    return replace(surrogates, shots=replace(surrogates.shots, kept=torch.cat(kept)))  # [n, k]


def _keeps_tokens(strategy: EfficiencyStrategy) -> bool:
    tokens, normed = torch.zeros(1, 1, 1), torch.ones(1, 1, 1)
    return strategy.residual(tokens, normed) is tokens
