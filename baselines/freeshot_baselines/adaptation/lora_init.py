"""Initialisation of LoRAs that are tuned at test, for many episodes at once."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Generator

from freeshot import Adapter
from freeshot.engine import EpisodeBackbone, LoraBank, slots_of
from freeshot.engine.lora.meta_model import bank_of


def initial_loras(
    backbone: EpisodeBackbone, adapter: Adapter | None, targets: Sequence[str], rank: int, rngs: Sequence[Generator]
) -> LoraBank:
    """Initialise one LoRA per episode: from an adapter, or as usual, with a separate random A for each episode."""
    if adapter is not None:
        return LoraBank.joined([bank_of(adapter, backbone.like)] * len(rngs))
    slots = slots_of(backbone.vit, targets)
    return LoraBank.joined([LoraBank.fresh(backbone.vit, slots, rank, 1, rng) for rng in rngs])
