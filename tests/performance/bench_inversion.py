"""Inversion, dense against token-pruned: the measured speed-up of pruning, and the speed-up by FLOPs."""

from __future__ import annotations

import torch
from tests.performance.measure import Table, in_turn
from tests.performance.setting import Setting, pocket

from freeshot.contracts.component import build
from freeshot.contracts.strategy import EfficiencyStrategy
from freeshot.engine import BankTeacher, LoraBank
from freeshot.engine.metering.flops import flops_of
from freeshot_lora_recycle.inversion import LoraInversion
from freeshot_lora_recycle.merging import TokenMerging
from freeshot_lora_recycle.pruning import AllTokens, ClsAttention


def strategies(depth: int) -> dict[str, EfficiencyStrategy]:
    """Prune at the last layer, two thirds up (the paper's layer 8 of 12), half-way (its 6), a third up, and at once."""
    actual: dict[str, EfficiencyStrategy] = {
        "dense": AllTokens(),
        "75 % at the last layer (the mask)": ClsAttention(at=(-1,), ratio=0.75),
    }
    for at in (2 * depth // 3, depth // 2, depth // 3, 0):
        actual[f"75 % at layer {at}"] = ClsAttention(at=(at,), ratio=0.75)
    return {**actual, "4 pairs merged in each layer": TokenMerging(merge=4)}


def bench(setting: Setting | None = None, images: int = 60, steps: int = 10) -> Table:
    """Invert the same LoRA under each strategy."""
    setting = setting or pocket()
    backbone, requested = setting.backbone, strategies(setting.depth)
    inversion = build(LoraInversion, {"prior": "none", "iterations": steps})
    labels = torch.arange(5).repeat_interleave(images // 5).to(backbone.device)
    bank = LoraBank.of([setting.entry], next(backbone.vit.parameters()))

    def inverting(name: str) -> None:
        teacher = BankTeacher(backbone, [setting.entry], requested[name])
        inversion.synthesize(teacher, labels, torch.Generator().manual_seed(0))

    seconds = in_turn({name: lambda name=name: inverting(name) for name in requested})  # type: ignore[misc]
    work = {name: flops_of(backbone, bank, strategy=strategy) for name, strategy in requested.items()}
    rows = tuple(
        (
            name,
            f"{1000 * seconds[name] / images / steps:.2f}",
            f"{50 * seconds[name] / images / steps:.3f}",
            f"{seconds['dense'] / seconds[name]:.2f}",
            f"{work['dense'].linear / work[name].linear:.2f}",
            f"{work['dense'].executed / work[name].executed:.2f}",
            f"{seconds['dense'] * work[name].executed / seconds[name] / work['dense'].executed:.2f}",
        )
        for name in requested
    )
    heads = (
        "strategy",
        "ms / image / step",
        "seconds / image, 50 steps",
        "speed-up",
        "by linear FLOPs",
        "by executed FLOPs",
        "of that",
    )
    share = "0.9" if backbone.device.type == "cpu" else "0.7"
    note = (
        f"{setting.name}, one LoRA, {images} images at once, no prior. To reach: {share} of the speed-up by executed "
        f"FLOPs with 75 % pruned at layer 0 and at layer {setting.depth // 2}."
    )
    return Table("Inversion", note, heads, rows)
