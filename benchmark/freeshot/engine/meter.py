"""Seconds and peak memory of a stretch of work."""

from __future__ import annotations

import resource
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Meter:
    """What a stretch cost; complete when the block is left."""

    seconds: float = 0.0
    peak_bytes: int = 0


@contextmanager
def metered(device: torch.device) -> Iterator[Meter]:
    """Measure a block: wall-clock seconds, and peak memory of the device, or of this process on a CPU."""
    meter = Meter()
    _reset_peak(device)
    start = time.perf_counter()
    try:
        yield meter
    finally:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        meter.seconds = time.perf_counter() - start
        meter.peak_bytes = _peak(device)


def _reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(OSError):  # only Linux lets a process forget its peak; elsewhere the peak is the lifetime's
        Path("/proc/self/clear_refs").write_text("5")


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    with suppress(OSError, StopIteration):
        status = Path("/proc/self/status").read_text().splitlines()
        line = next(row for row in status if row.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
