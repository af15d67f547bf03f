"""Inversion, dense against token-pruned: what pruning saves in time, and what it should by arithmetic."""

from __future__ import annotations

import torch
from tests.performance.measure import Table, in_turn

from freeshot.contracts.options import build
from freeshot.engine import BankTeacher, LoraBank, open_backbone
from freeshot.engine.flops import flops_of
from freeshot.pool.store import open_pool
from freeshot_lora_recycle.inversion import LoraInversion
from freeshot_lora_recycle.merging import TokenMerging
from freeshot_lora_recycle.pruning import AllTokens, ClsAttention
from freeshot_vision.pocket.backbone import PocketVit
from freeshot_vision.pocket.files import POOL

IMAGES, STEPS = 60, 10
STRATEGIES = {
    "dense": AllTokens(),
    "75 % at the last layer (the mask)": ClsAttention(at=(-1,), ratio=0.75),
    "75 % at layer 4": ClsAttention(at=(4,), ratio=0.75),
    "75 % at layer 3": ClsAttention(at=(3,), ratio=0.75),
    "75 % at layer 2": ClsAttention(at=(2,), ratio=0.75),
    "75 % at layer 0": ClsAttention(at=(0,), ratio=0.75),
    "4 pairs merged in each layer": TokenMerging(merge=4),
}


def bench() -> Table:
    """Invert the same LoRA under each strategy."""
    backbone = open_backbone(PocketVit())
    entry = open_pool(POOL, backbone.sha256).entries[0]
    inversion = build(LoraInversion, {"prior": "none", "iterations": STEPS})
    labels = torch.arange(5).repeat_interleave(IMAGES // 5)
    bank = LoraBank.of([entry], next(backbone.vit.parameters()))

    def inverting(name: str) -> None:
        inversion.synthesize(BankTeacher(backbone, [entry], STRATEGIES[name]), labels, torch.Generator().manual_seed(0))

    seconds = in_turn({name: lambda name=name: inverting(name) for name in STRATEGIES})  # type: ignore[misc]
    work = {name: flops_of(backbone, bank, strategy=strategy) for name, strategy in STRATEGIES.items()}
    rows = tuple(
        (
            name,
            f"{1000 * seconds[name] / IMAGES / STEPS:.2f}",
            f"{50 * seconds[name] / IMAGES / STEPS:.3f}",
            f"{seconds['dense'] / seconds[name]:.2f}",
            f"{work['dense'].linear / work[name].linear:.2f}",
            f"{work['dense'].executed / work[name].executed:.2f}",
        )
        for name in STRATEGIES
    )
    heads = (
        "strategy",
        "ms / image / step",
        "seconds / image, 50 steps",
        "speed-up",
        "by linear FLOPs",
        "by executed FLOPs",
    )
    return Table("Inversion", f"pocket-vit, one LoRA, {IMAGES} images at once, no prior.", heads, rows)
