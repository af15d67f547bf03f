"""LoRA-FAIR: averaged factors, with the bias of separate averaging corrected in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Method, Needs

if TYPE_CHECKING:
    from torch import Tensor

    from freeshot import Adapter, Learner, LoraEntry, Workbench


@dataclass(frozen=True)
class LoraFair(Method):
    """Average the factors of the pool's LoRAs and correct B so that the product approximates the mean of products.

    Re-implementation for a single merge of a pool instead of rounds of federated training. The paper leaves its measure
    of dissimilarity open; with squared distance the correction is a ridge regression, solved exactly here: ΔB = (M −
    B̄Ā)Āᵀ(ĀĀᵀ + λI)⁻¹, where M is the mean of B·A.
    """

    name = "lora-fair"
    citation = "Bian et al., LoRA-FAIR: Federated LoRA Fine-Tuning with Aggregation and Initialization Refinement, 2025"
    needs = frozenset({Needs.POOL})
    penalty: float = 0.01
    """λ, in units of the mean squared norm of Ā's rows, so that it is comparable across layers; ours."""

    def prepare(self, bench: Workbench) -> Learner:
        """Average, correct and embed with the result."""
        return bench.adapted(self.compose(bench.pool().entries))

    def compose(self, entries: tuple[LoraEntry, ...]) -> Adapter:
        """Return the corrected average as a LoRA."""
        from freeshot.engine import adapter_of
        from freeshot_baselines.composition.deltas import mean_factors, slots_of_all, stacked_deltas

        factors = {}
        for slot in slots_of_all(entries):
            a, b = mean_factors(entries, slot)
            factors[slot] = (a, b + correction(a, b, stacked_deltas(entries, slot).mean(0), self.penalty))
        return adapter_of(factors)


def correction(a: Tensor, b: Tensor, wanted: Tensor, penalty: float) -> Tensor:
    """Return the ΔB [o, r] that moves (B + ΔB)·A closest to `wanted` [o, i], with an L2 penalty on ΔB."""
    import torch

    gram = (a @ a.mT).double()  # [r, r]
    ridge = penalty * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    missing = ((wanted - b @ a) @ a.mT).double()  # [o, r]
    solved: Tensor = torch.linalg.solve(gram + ridge, missing, left=False)
    return solved.to(b)
