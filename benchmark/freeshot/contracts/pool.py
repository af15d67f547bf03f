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


@dataclass(frozen=True)
class PoolPlan:
    """A pool that everybody builds for themselves, and how: `freeshot pool build NAME` needs nothing else."""

    name: str
    sources: tuple[str, ...]
    """Data sets whose base classes are learned, in turn."""
    count: int
    """How many LoRAs."""
    backbone: str
    rank: int = 4
    targets: tuple[str, ...] = ("q", "v")
    way: int = 5
    steps: int = 150
    batch: int = 32
    lr: float = 1e-3
    flip: bool = True
    shift: float = 0.0
    clip: float = 0.0
    gate: float = 0.0
    seed: int = 0
    at_once: int = 8
    """LoRAs that are tuned side by side; what is tuned together is written together."""


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
