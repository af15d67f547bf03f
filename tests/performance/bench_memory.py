"""Peak memory of embedding more and more images, and of inverting more and more LoRAs, at 224 px."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import torch
from tests.performance.fresh_process import in_fresh_process
from tests.performance.measure import Table
from tests.performance.setting import random_lora
from tests.performance.soak_embedding import SMALL, peaks

from freeshot.cache.artifacts import Artifacts
from freeshot.contracts.pool import LoraPool
from freeshot.engine import open_backbone
from freeshot.engine.metering.meter import metered
from freeshot.pipeline.pool_inversion import PoolInversion
from freeshot.pipeline.stages import Stages
from freeshot.records.models import ComponentSpec
from freeshot_lora_recycle.inversion import LoraInversion
from freeshot_lora_recycle.pruning import ClsAttention

if TYPE_CHECKING:
    from freeshot.pipeline.resolve import PlannedCell

IMAGES, LORAS = (2000, 8000), (1, 10)
PER_CLASS, STEPS = 10, 2
NETWORK = replace(SMALL, depth=2)
"""Deep enough that pruning at layer 0 acts before the last attention."""


def embedding_peak(count: int) -> int:
    """Return the most bytes that storing and embedding images takes."""
    with tempfile.TemporaryDirectory() as folder:
        return max(peaks(count, Path(folder), NETWORK).values())


def inversion_peak(count: int) -> int:
    """Return the most bytes that inverting a pool takes, its surrogates returned for meta-training."""
    backbone, cpu = open_backbone(NETWORK), torch.device("cpu")
    entry = random_lora(backbone)
    entries = tuple(replace(entry, name=f"lora-{number}") for number in range(count))
    pool = LoraPool("made", Path(), backbone.name, backbone.sha256, entries, "made")
    specs = ComponentSpec(kind="inversion", name="lora-inversion"), ComponentSpec(kind="strategy", name="cls-attention")
    parts = LoraInversion(iterations=STEPS, prior="none"), ClsAttention(at=(0,)), specs
    inversion = PoolInversion(backbone, pool, *parts, PER_CLASS, batch=0, seed=0)
    cell = cast("PlannedCell", SimpleNamespace(title="memory", id="made"))
    with tempfile.TemporaryDirectory() as folder, metered(cpu) as cost:
        stages = Stages(cell, Artifacts(Path(folder)), cpu)
        assert len(inversion.run(stages)) == count
    return max(cost.peak_bytes, stages.costs[0].peak_bytes)


def bench(images: tuple[int, int] = IMAGES, loras: tuple[int, int] = LORAS) -> Table:
    """Measure each number in a process of its own."""
    rows: list[tuple[str, ...]] = []
    works: dict[str, tuple[Callable[[int], int], tuple[int, int]]] = {
        "images embedded": (embedding_peak, images),
        "LoRAs inverted": (inversion_peak, loras),
    }
    for name, (peak, counts) in works.items():
        few, many = (in_fresh_process(peak, count) for count in counts)
        each = (many - few) / (counts[1] - counts[0]) / 2**20
        rows.append((f"{name}: {counts[0]:,}", f"{few / 2**20:,.0f}", "", ""))
        rows.append((f"{name}: {counts[1]:,}", f"{many / 2**20:,.0f}", f"{many / few:.2f}", f"{each:.3f}"))
    note = (
        f"224 px, {NETWORK.model} of depth {NETWORK.depth} and width {NETWORK.width}; pixels from the cache on disk; "
        f"{5 * PER_CLASS} images of each LoRA, {STEPS} steps, 75 % pruned at layer 0. The most memory that a process "
        "of its own held, libraries included. To reach: 2 GiB for 60,000 images, and 1.5 times what one LoRA takes for "
        "100 of them."
    )
    heads = ("what", "peak MiB", "of the first", "MiB for one more")
    return Table("Memory", note, heads, tuple(rows))
