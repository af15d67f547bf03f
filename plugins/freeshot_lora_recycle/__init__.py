"""LoRA Recycle (Hu et al., CVPR 2025) as reusable components: inversion, token pruning, meta-learner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from freeshot import EfficiencyStrategy, InversionMethod, MetaLearner, Method, Published


@hookimpl
def freeshot_methods() -> Iterable[type[Method]]:
    """Register the method."""
    from freeshot_lora_recycle.method import LoraRecycle

    return [LoraRecycle]


@hookimpl
def freeshot_inversion_methods() -> Iterable[type[InversionMethod]]:
    """Register the pixel inversion."""
    from freeshot_lora_recycle.inversion import LoraInversion

    return [LoraInversion]


@hookimpl
def freeshot_efficiency_strategies() -> Iterable[type[EfficiencyStrategy]]:
    """Register no pruning, pruning by class attention and at random, and token merging."""
    from freeshot_lora_recycle.merging import TokenMerging
    from freeshot_lora_recycle.pruning import AllTokens, ClsAttention, RandomPatches

    return [AllTokens, ClsAttention, RandomPatches, TokenMerging]


@hookimpl
def freeshot_meta_learners() -> Iterable[type[MetaLearner]]:
    """Register the prototype meta-learner, as published and on augmented images."""
    from freeshot_lora_recycle.augmented import AugmentedPrototype
    from freeshot_lora_recycle.prototype import Prototype

    return [Prototype, AugmentedPrototype]


@hookimpl
def freeshot_published_results() -> Iterable[Published]:
    """Register the accuracies that the paper reports."""
    from freeshot_lora_recycle.published import published

    return published()
