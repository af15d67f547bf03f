"""Tuning LoRAs one at a time with PEFT's own layers, against the bank that tunes many in one pass."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from tests.performance.measure import Table, in_turn
from tests.performance.setting import Setting, plain_copy, pocket
from torch import nn
from torch.nn.functional import cross_entropy

from freeshot.engine import LoraBank, forward, slots_of

BATCH, STEPS = 25, 3


def bench(setting: Setting | None = None, loras: int = 8, banks: Sequence[int] = (1, 2, 4, 8)) -> Table:
    """Take the same number of steps for the same number of LoRAs, both ways."""
    setting = setting or pocket()
    backbone, width = setting.backbone, setting.width
    images = setting.pixels(loras, BATCH)
    labels = (torch.arange(BATCH) % 5).to(images.device)

    def with_peft() -> None:
        from peft import LoraConfig, get_peft_model

        for lora in range(loras):
            model: Any = get_peft_model(plain_copy(backbone.vit), LoraConfig(r=8, lora_alpha=8, target_modules=["qkv"]))
            head = nn.Linear(width, 5).to(images.device)
            weights = [w for w in model.parameters() if w.requires_grad]
            optimizer = torch.optim.Adam([*weights, *head.parameters()], lr=1e-3)
            for _ in range(STEPS):
                optimizer.zero_grad()
                with setting.precision():
                    logits = head(model.base_model.model(backbone.normalize(images[lora])))
                cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]
                optimizer.step()

    def with_banks(count: int) -> None:
        for start in range(0, loras, count):
            rng = torch.Generator().manual_seed(0)
            bank = LoraBank.fresh(backbone.vit, slots_of(backbone.vit), 4, count, rng)
            weight = torch.zeros(count, 5, width, device=images.device, requires_grad=True)
            optimizer = torch.optim.Adam([*bank.parameters(), weight], lr=1e-3)
            shown = images[start : start + count].flatten(0, 1)
            for _ in range(STEPS):
                optimizer.zero_grad()
                with setting.precision():
                    features = forward(backbone, shown, bank).features.view(count, BATCH, -1)
                    logits = (features @ weight.mT).flatten(0, 1)
                cross_entropy(logits.float(), labels.repeat(count)).backward()  # type: ignore[no-untyped-call]
                optimizer.step()

    def alone() -> None:
        for lora in range(loras):
            shown = images[lora].clone().requires_grad_()
            for _ in range(STEPS):
                with setting.precision():
                    features = forward(backbone, shown).features
                features.float().sum().backward()  # type: ignore[no-untyped-call]

    ways = {"PEFT, one at a time": with_peft}
    ways |= {f"bank of {count}": partial(with_banks, count) for count in banks}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seconds = in_turn({**ways, "the frozen network alone": alone}, rounds=3)
    slow = seconds["PEFT, one at a time"]
    rows = tuple((n, f"{1000 * s / loras / STEPS:.1f}", f"{slow / s:.2f}") for n, s in seconds.items())
    note = (
        f"{setting.name}, {loras} LoRAs, 5-way tasks, batch {BATCH} each, Adam; making the LoRAs is included. The last "
        "line is the same images forward and backward through the network without any LoRA or step, one LoRA's images "
        f"at a time. To reach: {'1.5' if images.device.type == 'cpu' else '5'} times as fast as PEFT with some bank."
    )
    return Table("Building a pool", note, ("how", "ms / LoRA / step", "speed-up"), rows)
