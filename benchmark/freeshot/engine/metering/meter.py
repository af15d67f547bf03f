"""Measures seconds, FLOPs, peak memory and the GPU's energy of a block of code."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import torch
from torch.optim.optimizer import Optimizer, register_optimizer_step_pre_hook

from freeshot.engine.metering.flop_counter import Operations


@dataclass
class Meter:
    """Cost of a block; complete when the block ends."""

    seconds: float = 0.0
    flops: int = 0
    """Floating-point operations, two for each multiply-add."""
    peak_bytes: int = 0
    joules: float | None = None
    """Energy reported by the GPU; None on a CPU, if the driver does not report it, or if work was interrupted."""
    gradients: bool = False
    """Whether anything was trained: a backward pass or an optimizer step ran."""
    earlier: tuple[float, int] = (0.0, 0)
    """Seconds and operations that interrupted runs spent on the same work; may be set while the block runs."""
    counter: Operations = field(default_factory=Operations)
    """Shared by nested blocks."""
    counted_before: int = 0
    """Operations of the outer block when this one began."""
    began: float = field(default_factory=time.perf_counter)

    def so_far(self) -> tuple[float, int]:
        """Return seconds and operations up to now, while the block runs."""
        seconds, flops = self.earlier
        return seconds + time.perf_counter() - self.began, flops + self.counter.count - self.counted_before


_COUNTING: ContextVar[Operations | None] = ContextVar("counting", default=None)


@contextmanager
def metered(device: torch.device) -> Iterator[Meter]:
    """Measure a block: wall-clock seconds, operations, and peak memory of the device (GPU) or the process (CPU).

    Blocks may be nested: each gets its own seconds and operations from one shared counter. The peak of an outer block
    covers only the time since its last inner block began.
    """
    _reset_peak(device)
    joules = _joules(device)
    outer = _COUNTING.get()
    meter = Meter() if outer is None else Meter(counter=outer, counted_before=outer.count)
    token = _COUNTING.set(meter.counter)
    before, steps = meter.counter.gradients, set[type[Optimizer]]()  # no optimizer itself, which would keep its weights
    hook = register_optimizer_step_pre_hook(lambda optimizer, *_: steps.add(type(optimizer)))
    try:
        with meter.counter if outer is None else nullcontext():
            yield meter
    finally:
        hook.remove()
        _COUNTING.reset(token)
        meter.gradients = bool(steps) or meter.counter.gradients > before
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        meter.seconds, meter.flops = meter.so_far()
        now = _joules(device)
        if joules is not None and now is not None and meter.earlier == (0.0, 0):
            meter.joules = now - joules
        meter.peak_bytes = _peak(device)


def _reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(OSError):  # only Linux can reset the peak; elsewhere it is that of the process lifetime
        Path("/proc/self/clear_refs").write_text("5")


def _joules(device: torch.device) -> float | None:
    """Read the GPU's energy counter; None if there is none."""
    if device.type != "cuda":
        return None
    try:
        pynvml = import_module("pynvml")
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(device.index or 0)
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3
    except Exception:  # noqa: BLE001 - drivers and GPUs report missing support differently
        return None


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    with suppress(OSError, StopIteration):
        status = Path("/proc/self/status").read_text().splitlines()
        line = next(row for row in status if row.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
