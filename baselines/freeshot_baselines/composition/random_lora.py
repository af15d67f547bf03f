"""A random LoRA of the pool: the control for selection and merging."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Method, Needs

if TYPE_CHECKING:
    from freeshot import Learner, Workbench


@dataclass(frozen=True)
class RandomLora(Method):
    """Embed with one LoRA of the pool, drawn at random; classify by the nearest class mean.

    A control: merging many LoRAs was found to be no better than random ones (2602.12323).
    """

    name = "random-lora"
    role = "floor"
    needs = frozenset({Needs.POOL})

    def prepare(self, bench: Workbench) -> Learner:
        """Draw a LoRA and embed with it."""
        import torch

        from freeshot.engine import adapter_of

        entries = bench.pool().entries
        drawn = entries[int(torch.randint(len(entries), (), generator=bench.rng("draw")))]
        return bench.adapted(adapter_of(drawn.factors, {"lora": drawn.name}))
