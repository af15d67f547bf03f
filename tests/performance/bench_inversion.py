"""Seconds per recovered image, dense against token-pruned, measured in turn within one run: `make bench`."""

from __future__ import annotations

import statistics
import time

import torch

from freeshot.contracts.options import build
from freeshot.engine import BankTeacher, open_backbone
from freeshot.pool.store import open_pool
from freeshot_lora_recycle.inversion import LoraInversion
from freeshot_lora_recycle.pruning import ClsAttention
from freeshot_vision.pocket.backbone import PocketVit
from freeshot_vision.pocket.files import POOL

IMAGES, STEPS, ROUNDS = 50, 20, 5
SCHEDULES: dict[str, dict[str, object] | None] = {
    "dense": None,
    "75 % at the last layer (the mask)": {"at": (-1,), "ratio": 0.75},
    "75 % at layer 2": {"at": (2,), "ratio": 0.75},
    "75 % at layer 0": {"at": (0,), "ratio": 0.75},
}


def _seconds(teacher: BankTeacher, inversion: LoraInversion) -> float:
    labels = torch.arange(5).repeat_interleave(IMAGES // 5)
    start = time.perf_counter()
    inversion.synthesize(teacher, labels, torch.Generator().manual_seed(0))
    return (time.perf_counter() - start) / (IMAGES * STEPS)


def bench_inversion() -> None:
    """Print milliseconds per image and step, and the ratio to dense, medians of rounds taken in turn."""
    backbone = open_backbone(PocketVit())
    entry = open_pool(POOL, backbone.sha256).entries[0]
    inversion = build(LoraInversion, {"prior": "none", "iterations": STEPS})
    teachers = {
        name: BankTeacher(backbone, [entry], None if options is None else build(ClsAttention, options))
        for name, options in SCHEDULES.items()
    }
    _seconds(teachers["dense"], inversion)  # warm up
    taken: dict[str, list[float]] = {name: [] for name in teachers}
    for _ in range(ROUNDS):
        for name, teacher in teachers.items():
            taken[name].append(_seconds(teacher, inversion))
    dense = statistics.median(taken["dense"])
    print(f"\n{'schedule':36} {'ms / image / step':>18} {'seconds / image at 100 steps':>30} {'speed-up':>9}")
    for name, seconds in taken.items():
        middle = statistics.median(seconds)
        print(f"{name:36} {1000 * middle:18.2f} {100 * middle:30.3f} {dense / middle:9.2f}")


def test_bench_inversion() -> None:
    bench_inversion()
