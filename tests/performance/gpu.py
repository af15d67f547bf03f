"""ViT-B/16 at 224 px in bf16 on one card: `python -m tests.performance.gpu --peak 990 --write FILE`.

Random weights suffice for timing. Utilisation is executed operations per second, as counted by torch, over the
device's peak; state the peak for the precision in use with --peak (dense TFLOP/s).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from tests.performance import bench_inversion, bench_meta_training, bench_pool, bench_prior
from tests.performance.__main__ import run
from tests.performance.measure import Table, in_turn
from tests.performance.setting import Setting, full_size

from freeshot.engine import BankTeacher, LoraBank, SharedLora
from freeshot.engine.metering.flops import flops_of

HEAD = (
    "# Performance on a graphics card\n\nWritten by `python -m tests.performance.gpu`. Each table is one run, its rows "
    "timed in turn, medians; compare ratios, not seconds of different runs.\n"
)


def _peak_memory(device: torch.device, run: Callable[[], object]) -> str:
    """Return the GiB that a run takes at most, the network included."""
    if device.type != "cuda":
        return "–"
    torch.cuda.reset_peak_memory_stats(device)
    run()
    return f"{torch.cuda.max_memory_allocated(device) / 2**30:.1f}"


def utilisation(setting: Setting, batch: int, rounds: int, peak: float) -> Table:
    """Measure one step of inversion under pruning, and one of meta-training at three sparsities."""
    backbone, device = setting.backbone, setting.backbone.device
    bank = LoraBank.of([setting.entry], next(backbone.vit.parameters()))
    pixels, images = setting.pixels(batch).requires_grad_(), setting.pixels(batch)
    runs: dict[str, Callable[[], None]] = {}
    work: dict[str, float] = {}
    for name, strategy in bench_inversion.strategies(setting.depth).items():
        teacher = BankTeacher(backbone, [setting.entry], strategy)
        list(teacher.steps(1))

        def invert(teacher: BankTeacher = teacher) -> None:
            pixels.grad = None
            with setting.precision():
                logits = teacher.logits(pixels)
            logits.float().sum().backward()  # type: ignore[no-untyped-call]

        runs[f"inversion, {name}"] = invert
        work[f"inversion, {name}"] = flops_of(backbone, bank, strategy=strategy).executed
    shared = SharedLora(backbone, 4, torch.Generator().manual_seed(0))
    for share in (0.0, 0.5, 0.75):
        count = round(setting.patches * (1 - share))
        kept = torch.arange(count, device=device).expand(batch, -1).contiguous() if share else None

        def learn(kept: torch.Tensor | None = kept) -> None:
            for weight in shared.lora():
                weight.grad = None
            with setting.precision():
                features = shared.embed(images, kept)
            features.float().sum().backward()  # type: ignore[no-untyped-call]

        name = f"meta-training, {share:.0%} left out".replace("%", " %")
        runs[name] = learn
        work[name] = flops_of(backbone, shared.bank, None if kept is None else kept[:1]).executed
    seconds = in_turn(runs, rounds)
    rows = []
    for name, step in runs.items():
        rate = batch / seconds[name]
        used = f"{100 * work[name] * rate / peak / 1e12:.0f} %" if peak else "–"
        rows.append((name, f"{rate:,.0f}", f"{work[name] / 1e9:.1f}", used, _peak_memory(device, step)))
    note = f"{setting.name}, batch {batch}. Peak taken: {peak:g} TFLOP/s. To reach: 40 % where all patches are in use."
    title = f"Utilisation, {batch} images at once"
    heads = ("what", "images / s", "GFLOP / image", "utilisation", "peak GiB")
    return Table(title, note, heads, tuple(rows))


def main() -> None:
    """Read the command line, measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.performance.gpu", description=__doc__)
    parser.add_argument("tables", nargs="*", help="some of utilisation, pool, inversion, prior, meta-training")
    parser.add_argument("--model", default="vit_base_patch16_clip_224")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--peak", type=float, default=0.0, help="TFLOP/s of the device in bf16, dense")
    parser.add_argument("--write", type=Path, help="keeps the tables that are not run again")
    requested = parser.parse_args()
    setting = full_size(requested.model, torch.device(requested.device))
    tables: dict[str, Callable[[], Table]] = {
        "utilisation": lambda: utilisation(setting, requested.batch, requested.rounds, requested.peak),
        "pool": lambda: bench_pool.bench(setting, loras=20, banks=(1, 4, 10, 20)),
        "inversion": lambda: bench_inversion.bench(setting, images=requested.batch),
        "prior": lambda: bench_prior.bench(setting, images=requested.batch),
        "meta-training": lambda: bench_meta_training.bench(setting),
    }
    run(tables, requested.tables or list(tables), requested.write, HEAD)


if __name__ == "__main__":
    main()
