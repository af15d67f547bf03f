"""Throughput and model FLOPs utilisation at ViT-B/16 scale: `python -m tests.performance.gpu --device cuda`.

Random weights serve for speed. Utilisation is executed operations per second, as counted by torch, over the
device's peak; state the peak for the precision in use with --peak (dense TFLOP/s).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import timm
import torch
from tests.performance.measure import Table

from freeshot.contracts.pool import LoraEntry
from freeshot.engine import BankTeacher, LoraBank, SharedLora, slots_of
from freeshot.engine.backbone import Backbone, Normalize
from freeshot.engine.flops import flops_of
from freeshot_lora_recycle.pruning import AllTokens, ClsAttention


def opened(model: str, device: torch.device) -> Backbone:
    """Build the network with random weights."""
    vit: Any = timm.create_model(model, num_classes=0)
    vit = vit.eval().requires_grad_(False).to(device)
    side = int(vit.patch_embed.img_size[0])
    return Backbone(model, vit, Normalize((0.5,) * 3, (0.5,) * 3).to(device), side, "random")


def random_lora(backbone: Backbone, rank: int = 4) -> LoraEntry:
    """Return a LoRA of random numbers with a 5-way head."""
    bank = LoraBank.fresh(backbone.vit, slots_of(backbone.vit), rank, 1, torch.Generator().manual_seed(0))
    factors = {slot: (a, torch.randn_like(b) * 0.01) for slot, (a, b) in bank.entry_factors(0).items()}
    width = int(getattr(backbone.vit, "num_features"))  # noqa: B009 - nn.Module's attributes are Tensor | Module to mypy
    classes = tuple(f"c{n}" for n in range(5))
    return LoraEntry("random", rank, factors, torch.randn(5, width), torch.zeros(5), classes, tuple(range(5)))


def seconds_of(run: Callable[[], object], device: torch.device, rounds: int) -> float:
    """Return the mean seconds of a run, after three to warm up."""
    for _ in range(3):
        run()
    _wait(device)
    start = time.perf_counter()
    for _ in range(rounds):
        run()
    _wait(device)
    return (time.perf_counter() - start) / rounds


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _peak_memory(device: torch.device) -> str:
    if device.type != "cuda":
        return "–"
    peak = torch.cuda.max_memory_allocated(device) / 2**30
    torch.cuda.reset_peak_memory_stats(device)
    return f"{peak:.1f}"


def bench(model: str, device: torch.device, batch: int, rounds: int, peak: float) -> Table:
    """Measure one step of inversion under pruning, and one of meta-training at three sparsities."""
    backbone = opened(model, device)
    entry = random_lora(backbone)
    depth = len(list(backbone.vit.get_submodule("blocks").children()))
    patches = (backbone.image_size // int(getattr(backbone.vit.patch_embed, "patch_size")[0])) ** 2  # noqa: B009
    bank = LoraBank.of([entry], next(backbone.vit.parameters()))
    shape = (batch, 3, backbone.image_size, backbone.image_size)
    pixels = torch.rand(shape, device=device).requires_grad_()
    rows = []

    def add(name: str, run: Callable[[], object], operations: float) -> None:
        with torch.autocast(device.type, torch.bfloat16):
            seconds = seconds_of(run, device, rounds)
        rate = batch / seconds
        used = f"{100 * operations * rate / peak / 1e12:.0f} %" if peak else "–"
        rows.append((name, f"{rate:,.0f}", f"{operations / 1e9:.1f}", used, _peak_memory(device)))

    layers = {
        "dense": AllTokens(),
        **{f"75 % at layer {at}": ClsAttention(at=(at,), ratio=0.75) for at in (0, depth // 2, 2 * depth // 3)},
    }
    for name, strategy in layers.items():
        teacher = BankTeacher(backbone, [entry], strategy)
        list(teacher.steps(1))

        def invert(teacher: BankTeacher = teacher) -> None:
            pixels.grad = None
            teacher.logits(pixels).sum().backward()  # type: ignore[no-untyped-call]

        add(f"inversion, {name}", invert, flops_of(backbone, bank, strategy=strategy).executed)
    shared = SharedLora(backbone, 4, torch.Generator().manual_seed(0))
    images = torch.rand(shape, device=device)
    for share in (0.0, 0.5, 0.75):
        count = round(patches * (1 - share))
        kept = None if not share else torch.arange(count, device=device).expand(batch, -1).contiguous()

        def learn(kept: torch.Tensor | None = kept) -> None:
            for weight in shared.lora():
                weight.grad = None
            shared.embed(images, kept).sum().backward()  # type: ignore[no-untyped-call]

        one = None if kept is None else kept[:1]
        add(
            f"meta-training, {share:.0%} left out".replace("%", " %"),
            learn,
            flops_of(backbone, shared.bank, one).executed,
        )
    heads = ("what", "images / s", "GFLOP / image", "utilisation", "peak GiB")
    return Table(f"{model}, batch {batch}, bf16 autocast", f"Peak taken: {peak:g} TFLOP/s.", heads, tuple(rows))


def main() -> None:
    """Read the command line, measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.performance.gpu", description=__doc__)
    parser.add_argument("--model", default="vit_base_patch16_clip_224")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--peak", type=float, default=0.0, help="TFLOP/s of the device in bf16, dense")
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    table = bench(asked.model, torch.device(asked.device), asked.batch, asked.rounds, asked.peak).markdown()
    print(table)
    if asked.write:
        asked.write.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
