"""TIES and DARE: sparsified LoRAs are added, with PEFT's own functions."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from freeshot import Adapter, Learner, LoraEntry, Method, Needs, Workbench

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class Merging(Method):
    """Base class: merge the products B·A layer by layer, scale, embed with the result."""

    needs = frozenset({Needs.POOL})
    density: float = 0.2
    """Share of each LoRA's entries that is kept."""
    scale: float = 1.0
    """Factor on the merged matrices (λ of the TIES paper)."""
    rank: int = 0
    """Rank to which the result is truncated by SVD; 0: no truncation."""

    @abstractmethod
    def merged(self, deltas: Tensor) -> Tensor:
        """Merge the updates of all LoRAs at one slot [l, o, i]: [o, i]."""

    def prepare(self, bench: Workbench) -> Learner:
        """Merge the pool and embed with the result."""
        return bench.adapted(self.compose(bench.pool().entries, bench.rng("pruning")))

    def compose(self, entries: tuple[LoraEntry, ...], rng: Generator) -> Adapter:
        """Return the merged LoRA; random numbers come from `rng`."""
        import torch

        from freeshot.engine import slots_of_all
        from freeshot_baselines.composition.deltas import lora_that_adds, stacked_deltas

        with torch.random.fork_rng(devices=[]):  # PEFT uses the global generator
            torch.manual_seed(int(torch.randint(2**62, (), generator=rng)))
            deltas = {slot: self.scale * self.merged(stacked_deltas(entries, slot)) for slot in slots_of_all(entries)}
        return lora_that_adds(deltas, self.rank)


@dataclass(frozen=True)
class Ties(Merging):
    """Keep each LoRA's largest entries, elect a sign per entry, average those that agree with it.

    Works on the exact products B·A, as PEFT's `ties_svd` does before truncation.
    """

    name = "ties"
    citation = "Yadav et al., TIES-Merging: Resolving Interference When Merging Models, NeurIPS 2023"
    paper_url = "https://arxiv.org/abs/2306.01708"
    code_url = "https://github.com/prateeky2806/ties-merging"
    sign: Literal["total", "frequency"] = "total"
    """Elect signs by total magnitude, as the paper does, or by their frequency."""

    def merged(self, deltas: Tensor) -> Tensor:
        """Trim, elect, merge."""
        import torch
        from peft.utils.merge_utils import ties

        merged: Tensor = ties(list(deltas), torch.ones(len(deltas)), self.density, self.sign)
        return merged


@dataclass(frozen=True)
class Dare(Merging):
    """Drop entries of each LoRA at random, scale up the rest, average.

    Σ (m ⊙ BᵢAᵢ) / (p·l) with a random mask m of density p, on the exact products; all l LoRAs have equal weight.
    """

    name = "dare"
    citation = "Yu et al., Language Models are Super Mario, ICML 2024"
    paper_url = "https://arxiv.org/abs/2311.03099"
    code_url = "https://github.com/yule-BUAA/MergeLM"

    def merged(self, deltas: Tensor) -> Tensor:
        """Drop, rescale, average."""
        import torch
        from peft.utils.merge_utils import dare_linear

        merged: Tensor = dare_linear(list(deltas), torch.full((len(deltas),), 1 / len(deltas)), self.density)
        return merged
