"""TIES and DARE: LoRAs thinned out before they are added, by PEFT's own functions."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from freeshot import Method, Needs

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from freeshot import Adapter, Learner, LoraEntry, Workbench


@dataclass(frozen=True)
class Merging(Method):
    """The road that both share: merge the products B·A layer by layer, scale, embed with the result."""

    needs = frozenset({Needs.POOL})
    density: float = 0.2
    """Share of each LoRA's entries that is kept."""
    scale: float = 1.0
    """Factor on the merged matrices (λ of the TIES paper)."""
    rank: int = 0
    """Rank to which they are cut by SVD; 0 keeps them whole."""

    @abstractmethod
    def merged(self, deltas: Tensor) -> Tensor:
        """Merge the matrices of all LoRAs at one place [l, o, i]: [o, i]."""

    def prepare(self, bench: Workbench) -> Learner:
        """Merge."""
        return bench.adapted(self.compose(bench.pool().entries, bench.rng("pruning")))

    def compose(self, entries: tuple[LoraEntry, ...], rng: Generator) -> Adapter:
        """Return the merged LoRA; what is random comes from `rng`."""
        import torch

        from freeshot_baselines.composition.deltas import lora_that_adds, slots_of_all, stacked_deltas

        with torch.random.fork_rng(devices=[]):  # PEFT draws from the global stream
            torch.manual_seed(int(torch.randint(2**62, (), generator=rng)))
            deltas = {slot: self.scale * self.merged(stacked_deltas(entries, slot)) for slot in slots_of_all(entries)}
        return lora_that_adds(deltas, self.rank)


@dataclass(frozen=True)
class Ties(Merging):
    """Keep each LoRA's largest entries, elect a sign per entry, average those that agree with it.

    Works on the exact products B·A, as PEFT's `ties_svd` does before it cuts the rank.
    """

    name = "ties"
    citation = "Yadav et al., TIES-Merging: Resolving Interference When Merging Models, NeurIPS 2023"
    sign: Literal["total", "frequency"] = "total"
    """Elect signs by total mass, as the paper does, or by how many have them."""

    def merged(self, deltas: Tensor) -> Tensor:
        """Trim, elect, merge."""
        import torch
        from peft.utils.merge_utils import ties

        merged: Tensor = ties(list(deltas), torch.ones(len(deltas)), self.density, self.sign)
        return merged


@dataclass(frozen=True)
class Dare(Merging):
    """Drop entries of each LoRA at random, scale up the rest, average.

    Works on the exact products B·A; the weights of the LoRAs are equal and sum to one.
    """

    name = "dare"
    citation = "Yu et al., Language Models are Super Mario, ICML 2024"

    def merged(self, deltas: Tensor) -> Tensor:
        """Drop, rescale, average."""
        import torch
        from peft.utils.merge_utils import dare_linear

        merged: Tensor = dare_linear(list(deltas), torch.full((len(deltas),), 1 / len(deltas)), self.density)
        return merged
