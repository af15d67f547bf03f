"""DualLoRA's projection as a merge: each LoRA is projected away from the subspaces of earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from freeshot import Adapter, Learner, LoraEntry, Method, Needs, Workbench

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class DualLora(Method):
    """Project each LoRA's update onto the complement of the earlier ones' subspaces, then average: no interference.

    Re-implementation of one part of a continual-learning method: its orthogonal LoRA. There subspaces come from data of
    earlier tasks; a pool has none, so each LoRA's input directions are used instead. Its residual LoRA and its memory
    need the data too and are omitted. The order of LoRAs matters: by default the pool's, or the mean over random ones.
    A layer of i inputs is full after i/r LoRAs of rank r, and later ones add nothing there: `protected` reserves fewer
    directions of each.
    """

    name = "dual-lora"
    citation = "Replay-Free Continual Low-Rank Adaptation with Dynamic Memory, 2411.00623"
    paper_url = "https://arxiv.org/abs/2411.00623"
    needs = frozenset({Needs.POOL})
    side: Literal["input", "output"] = "input"
    """Subspaces that are kept disjoint: input directions (rows of A), or output directions (columns of B)."""
    protected: int = 0
    """Number of strongest directions of each LoRA reserved from later ones; 0: all of its rank."""
    orders: int = 1
    """1 uses the pool's order; more use the mean over so many random orders."""
    scale: float = 1.0
    """Factor on the mean of the projected updates."""
    rank: int = 0
    """Rank to which the result is truncated by SVD; 0: no truncation."""

    def prepare(self, bench: Workbench) -> Learner:
        """Project, average and embed with the result."""
        return bench.adapted(self.compose(bench.pool().entries, bench.rng("orders")))

    def compose(self, entries: Sequence[LoraEntry], rng: Generator) -> Adapter:
        """Return the merged LoRA; random orders come from `rng`."""
        import torch

        from freeshot.engine import slots_of_all
        from freeshot_baselines.composition.deltas import lora_that_adds

        count = len(entries)
        orders = [list(range(count))]
        if self.orders > 1:
            orders = [torch.randperm(count, generator=rng).tolist() for _ in range(self.orders)]
        merged = {}
        for slot in slots_of_all(entries):
            acting = [[entries[n].factors[slot] for n in order if slot in entries[n].factors] for order in orders]
            sums = [self._projected(loras) for loras in acting]
            merged[slot] = self.scale * torch.stack(sums).mean(0) / count
        return lora_that_adds(merged, self.rank)

    def _projected(self, loras: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """Sum LoRAs A [r, i], B [o, r] in their order, each projected: [o, i]."""
        import torch

        if self.side == "input":
            return torch.stack([b @ a for a, b in without_earlier_inputs(loras, self.protected)]).sum(0)
        turned = without_earlier_inputs([(b.mT, a.mT) for a, b in loras], self.protected)
        return torch.stack([b @ a for a, b in turned]).sum(0).mT.contiguous()


def without_earlier_inputs(loras: Sequence[tuple[Tensor, Tensor]], protected: int = 0) -> list[tuple[Tensor, Tensor]]:
    """Remove from each LoRA A [r, i], B [o, r] the input directions of earlier ones: all, or the strongest few."""
    import torch

    from freeshot.engine import product_svd

    basis = loras[0][0].new_zeros(0, loras[0][0].shape[1], dtype=torch.float64)  # orthonormal rows
    kept = []
    for a, b in loras:
        rest = a.double() - a.double() @ basis.mT @ basis
        rest = rest - rest @ basis.mT @ basis  # a second projection removes rounding errors
        kept.append((rest.to(a), b))
        svd = product_svd(rest, b)
        significant = svd.s > 1e-9 * torch.linalg.matrix_norm((b @ a).double())  # smaller values are rounding
        directions = svd.v[significant]
        basis = torch.cat([basis, directions[: protected or len(directions)]])
    return kept
