"""Averages of a pool: plain, and LoRA-FAIR's, which corrects the bias of averaging the factors separately."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from freeshot import Adapter, Learner, LoraEntry, Method, Needs, Workbench
from freeshot.basics.errors import OptionError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LoraAverage(Method):
    """Average the LoRAs of the pool and embed with the average; classify by the nearest class mean.

    Re-implementation of the 'LoRAs Avg' rows of LoRA Recycle's tables, which do not state whether factors or products
    are averaged: `space` selects, and the exact mean of the products is the default.
    """

    name = "lora-average"
    citation = "'LoRAs Avg + NN' in Hu et al., LoRA Recycle, CVPR 2025; uniform composition of Asadi et al., 2402.15414"
    needs = frozenset({Needs.POOL})
    space: Literal["delta", "factors"] = "delta"
    """'delta': the mean of B·A, exact; 'factors': separate means of B and A, whose product has cross-terms."""
    rank: int = 0
    """Rank to which the mean of B·A is truncated by SVD; 0: no truncation."""

    def __post_init__(self) -> None:
        if self.rank and self.space == "factors":
            raise OptionError(
                f"Option 'rank' of '{self.name}' truncates the mean of B·A, which space=factors does not form. "
                "Set it to 0."
            )

    def prepare(self, bench: Workbench) -> Learner:
        """Average the pool and embed with the result."""
        return bench.adapted(self.compose(bench.pool().entries))

    def compose(self, entries: tuple[LoraEntry, ...]) -> Adapter:
        """Return the average as a LoRA."""
        from freeshot.engine import adapter_of, slots_of_all
        from freeshot_baselines.composition.deltas import lora_that_adds, mean_factors, stacked_deltas

        slots = slots_of_all(entries)
        if self.space == "factors":
            return adapter_of({slot: mean_factors(entries, slot) for slot in slots})
        return lora_that_adds({slot: stacked_deltas(entries, slot).mean(0) for slot in slots}, self.rank)


@dataclass(frozen=True)
class LoraFair(Method):
    """Average the factors of the pool's LoRAs and correct B so that the product approximates the mean of products.

    Re-implementation for a single merge of a pool instead of rounds of federated training. The paper leaves its measure
    of dissimilarity open; with squared distance the correction is a ridge regression, solved exactly here: ΔB = (M −
    B̄Ā)Āᵀ(ĀĀᵀ + λI)⁻¹, where M is the mean of B·A.
    """

    name = "lora-fair"
    citation = "Bian et al., LoRA-FAIR: Federated LoRA Fine-Tuning with Aggregation and Initialization Refinement, 2025"
    paper_url = "https://arxiv.org/abs/2411.14961"
    needs = frozenset({Needs.POOL})
    penalty: float = 0.01
    """λ, in units of the mean squared norm of Ā's rows, so that it is comparable across layers; ours."""

    def prepare(self, bench: Workbench) -> Learner:
        """Average, correct and embed with the result."""
        return bench.adapted(self.compose(bench.pool().entries))

    def compose(self, entries: tuple[LoraEntry, ...]) -> Adapter:
        """Return the corrected average as a LoRA."""
        from freeshot.engine import adapter_of, slots_of_all
        from freeshot_baselines.composition.deltas import mean_factors, stacked_deltas

        factors = {}
        for slot in slots_of_all(entries):
            a, b = mean_factors(entries, slot)
            factors[slot] = (a, b + correction(a, b, stacked_deltas(entries, slot).mean(0), self.penalty))
        return adapter_of(factors)


def correction(a: Tensor, b: Tensor, target: Tensor, penalty: float) -> Tensor:
    """Return the ΔB [o, r] that moves (B + ΔB)·A closest to `target` [o, i], with an L2 penalty on ΔB."""
    import torch

    gram = (a @ a.mT).double()  # [r, r]
    ridge = penalty * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    missing = ((target - b @ a) @ a.mT).double()  # [o, r]
    solved: Tensor = torch.linalg.solve(gram + ridge, missing, left=False)
    return solved.to(b)
