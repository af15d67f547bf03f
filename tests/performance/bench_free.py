"""FREE's generator against pixels: how well it fits a LoRA after a few steps, and the time per image."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

import torch
from tests.performance.measure import Table
from torch import Tensor
from torch.nn.functional import cross_entropy

from freeshot.engine import BankTeacher, open_backbone
from freeshot.engine.inversion.teacher import PoolTeachers
from freeshot.pool.store import open_pool
from freeshot_baselines.free.meta_generator import MetaGenerator
from freeshot_lora_recycle.inversion import LoraInversion
from freeshot_vision.pocket import POOL
from freeshot_vision.pocket.backbone import PocketVit

PER_CLASS, LORAS, OUTER = 12, 4, 40
LABELS = torch.arange(5).repeat_interleave(PER_CLASS)


def bench() -> Table:
    """Learn a meta-generator from all LoRAs but the last four, and recover images from those."""
    backbone = open_backbone(PocketVit())
    entries = open_pool(POOL, backbone.sha256).entries
    meta = MetaGenerator(outer=OUTER)
    start = time.perf_counter()
    learned = meta.learn(PoolTeachers(backbone, entries[:-LORAS]), PER_CLASS, torch.Generator().manual_seed(0))
    learning = time.perf_counter() - start
    fresh = replace(meta, outer=0).learn(PoolTeachers(backbone, entries), PER_CLASS, torch.Generator().manual_seed(0))
    pixels = LoraInversion(iterations=60, lr=0.1, prior="none", total_variation=100.0, schedule="cosine")

    def row(name: str, method: MetaGenerator | LoraInversion, state: Mapping[str, Tensor] | None) -> tuple[str, ...]:
        losses, right, seconds = [], [], 0.0
        for entry in entries[-LORAS:]:
            teacher = BankTeacher(backbone, [entry])
            rng = torch.Generator().manual_seed(1)
            begin = time.perf_counter()
            if isinstance(method, MetaGenerator):
                images = method.synthesize_with(teacher, LABELS, rng, state or {})
            else:
                images = method.synthesize(teacher, LABELS, rng)
            seconds += time.perf_counter() - begin
            with torch.no_grad():
                logits = teacher.plain_logits(images)
            losses.append(float(cross_entropy(logits, LABELS)))
            right.append(float((logits.argmax(1) == LABELS).float().mean()))
        count = LORAS * len(LABELS)
        share = f"{100 * sum(right) / LORAS:.0f} %"
        return name, f"{sum(losses) / LORAS:.2f}", share, f"{1000 * seconds / count:.1f}"

    rows = (
        row("meta-generator, 5 steps", meta, learned),
        row("fresh generator, 5 steps", meta, fresh),
        row("fresh generator, 100 steps", replace(meta, inner=100), fresh),
        row("pixels, 60 steps", pixels, None),
    )
    note = (
        f"pocket-vit, the last {LORAS} LoRAs of the pocket pool, {len(LABELS)} images each; the meta-generator learned "
        f"from the other {len(entries) - LORAS} in {OUTER} outer steps ({learning:.0f} s, not counted below)."
    )
    heads = ("how", "cross-entropy of the LoRA", "recognised", "ms / image")
    return Table("Recovering images: FREE's generator against pixels", note, heads, rows)
