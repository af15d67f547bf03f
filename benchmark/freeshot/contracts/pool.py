"""What a pool of LoRAs is, once opened and verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


@dataclass(frozen=True, order=True)
class Slot:
    """A place where a LoRA acts: rows start…stop of the output of one linear layer.

    timm fuses q, k and v into one layer, so LoRA on q and on v are two slots of `blocks.N.attn.qkv`.
    """

    module: str
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class LoraEntry:
    """One LoRA with its head: what somebody tuned on one classification task."""

    name: str
    rank: int
    factors: Mapping[Slot, tuple[Tensor, Tensor]]
    """slot → (A [r, d], B [o, r]), scaling already folded into B."""
    head_weight: Tensor
    """[c, d]."""
    head_bias: Tensor
    """[c]."""
    classes: tuple[str, ...]
    """Class names, 'dataset/name'."""
    class_ids: tuple[int, ...]
    """Ids of the classes within the pool."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """Held-out accuracy, seed, images and whatever else its maker recorded."""


@dataclass(frozen=True, eq=False)
class LoraPool:
    """LoRAs of one backbone, verified on opening, read-only."""

    name: str
    path: Path
    backbone: str
    backbone_hash: str
    entries: tuple[LoraEntry, ...]
    sha256: str
    """Identity of the whole pool."""
    license: str = ""

    def __len__(self) -> int:
        return len(self.entries)
