"""The plain average of a pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from freeshot import Method, Needs
from freeshot.basics.errors import OptionError

if TYPE_CHECKING:
    from freeshot import Adapter, Learner, LoraEntry, Workbench


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
        from freeshot.engine import adapter_of
        from freeshot_baselines.composition.deltas import lora_that_adds, mean_factors, slots_of_all, stacked_deltas

        slots = slots_of_all(entries)
        if self.space == "factors":
            return adapter_of({slot: mean_factors(entries, slot) for slot in slots})
        return lora_that_adds({slot: stacked_deltas(entries, slot).mean(0) for slot in slots}, self.rank)
