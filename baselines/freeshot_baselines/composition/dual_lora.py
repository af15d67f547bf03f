"""DualLoRA's projection as a merge: each LoRA acts only where none before it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from freeshot import Method, Needs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Generator, Tensor

    from freeshot import Adapter, Learner, LoraEntry, Workbench


@dataclass(frozen=True)
class DualLora(Method):
    """Project each LoRA's update onto the complement of the earlier ones' subspaces, then average: no interference.

    Re-implementation of one piece of a method for continual learning: its orthogonal LoRA. There subspaces come from
    data of earlier tasks; a pool has none, so the directions that a LoRA listens to stand in. Its residual LoRA and
    its memory need the data too and are left out. Which LoRA comes first matters: by default the pool's order, or the
    mean over random ones. A layer of i inputs is full after i/r LoRAs of rank r, and those behind add nothing there:
    `protected` keeps fewer directions of each.
    """

    name = "dual-lora"
    citation = "Replay-Free Continual Low-Rank Adaptation with Dynamic Memory, 2411.00623"
    needs = frozenset({Needs.POOL})
    side: Literal["input", "output"] = "input"
    """Whose subspaces are kept apart: what LoRAs listen to (rows of A), or what they write (columns of B)."""
    protected: int = 0
    """Strongest directions of each LoRA that later ones leave alone; 0: all of its rank."""
    orders: int = 1
    """1 takes the LoRAs in the pool's order; more take the mean over so many random orders."""
    scale: float = 1.0
    """Factor on the mean of the projected updates."""
    rank: int = 0
    """Rank to which it is cut by SVD; 0 keeps it whole."""

    def prepare(self, bench: Workbench) -> Learner:
        """Project and average."""
        return bench.adapted(self.compose(bench.pool().entries, bench.rng("orders")))

    def compose(self, entries: Sequence[LoraEntry], rng: Generator) -> Adapter:
        """Return the merged LoRA; random orders come from `rng`."""
        import torch

        from freeshot_baselines.composition.deltas import lora_that_adds, slots_of_all, stacked_deltas

        count = len(entries)
        orders = [torch.randperm(count, generator=rng) if self.orders > 1 else torch.arange(count)]
        orders += [torch.randperm(count, generator=rng) for _ in range(self.orders - 1)]
        merged = {}
        for slot in slots_of_all(entries):
            deltas = stacked_deltas(entries, slot)
            means = [self.projected(deltas[order]).mean(0) for order in orders]
            merged[slot] = self.scale * torch.stack(means).mean(0)
        return lora_that_adds(merged, self.rank)

    def projected(self, deltas: Tensor) -> Tensor:
        """Project updates [l, o, i], each onto the complement of what those before it protect."""
        import torch

        aligned = deltas if self.side == "input" else deltas.mT
        kept = apart(aligned.double(), self.protected or min(aligned.shape[1:]))
        return (kept if self.side == "input" else kept.mT).to(deltas).clone(memory_format=torch.contiguous_format)


def apart(updates: Tensor, protected: int) -> Tensor:
    """Take out of each update [l, o, i] the inputs that earlier ones listen to most: [l, o, i]."""
    import torch

    basis = updates.new_zeros(0, updates.shape[2])  # orthonormal rows
    kept = []
    for update in updates:
        rest = update - update @ basis.mT @ basis
        kept.append(rest)
        _, strengths, directions = torch.linalg.svd(rest, full_matrices=False)
        heard = strengths > 1e-9 * torch.linalg.matrix_norm(update, 2)  # what is below is rounding
        basis = torch.cat([basis, directions[heard][:protected]])
    return torch.stack(kept)
