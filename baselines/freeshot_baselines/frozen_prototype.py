"""The nearest class mean under the untouched backbone: what a pool of LoRAs has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Method

if TYPE_CHECKING:
    from freeshot import Learner, Workbench


@dataclass(frozen=True)
class FrozenPrototype(Method):
    """Classify by the nearest class mean of frozen features; nothing is learned."""

    name = "frozen-prototype"
    citation = "Snell et al., Prototypical Networks for Few-shot Learning, NeurIPS 2017 ('NN' in LoRA Recycle's tables)"

    def prepare(self, bench: Workbench) -> Learner:
        """Take the backbone as it is."""
        return bench.frozen()
