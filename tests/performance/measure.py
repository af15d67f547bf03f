"""Fair timing: everything in turn within one run, medians, ratios instead of seconds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Table:
    """One bench's result, as it is printed and written."""

    title: str
    note: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Render it."""
        lines = [f"## {self.title}", "", self.note, "", "| " + " | ".join(self.heads) + " |"]
        lines.append("|---|" + "---:|" * (len(self.heads) - 1))
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join(lines) + "\n"


def in_turn(candidates: Mapping[str, Callable[[], object]], rounds: int = 5) -> dict[str, float]:
    """Return the median seconds of each, every round timing all of them once, after one round to warm up."""
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds + 1):
        for name, run in candidates.items():
            start = time.perf_counter()
            run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if number:
                taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Fit seconds = a · size^exponent by least squares on logarithms; return the exponent."""
    slope, _ = np.polyfit(np.log(sizes), np.log(seconds), 1)
    return float(slope)


def kept_for_backward(run: Callable[[], torch.Tensor]) -> int:
    """Return the bytes that a forward pass keeps for its backward pass, each storage once."""
    actual: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        actual[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = run()
    del out
    return sum(actual.values())
