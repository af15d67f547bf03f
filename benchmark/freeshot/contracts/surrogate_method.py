"""The road that methods of one family share: recover images from the pool, train one LoRA on them, embed with it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from freeshot.contracts.component import Choice, added
from freeshot.contracts.method import Method, Needs

if TYPE_CHECKING:
    from freeshot.contracts.method import Learner, Workbench


@dataclass(frozen=True)
class SurrogateMethod(Method):
    """The short road: say how images are recovered, get tasks, training and evaluation."""

    needs = frozenset({Needs.POOL})
    learner: Choice
    """Meta-learner that trains the shared LoRA."""
    per_class: int = 40
    """Images per class of each LoRA."""
    lora_share: float = 0.5
    """Share of tasks from one LoRA, with its logits; the rest mixes classes across LoRAs, labels only."""
    rank: int = 4
    """Rank of the shared LoRA."""
    targets: tuple[str, ...] = ("q", "v")
    """Layers it acts on, of q, k, v, proj, fc1 and fc2."""
    flip: bool = True
    """Flip images left to right at random in meta-training, masks with them."""
    held_out: float = added(0.0)
    """Share of the recovered classes that training does not see; a meta-learner with `validate_every` uses them."""
    batch: int = added(0)
    """Images of a LoRA that are recovered at once, its classes in equal numbers; 0: all. Saves memory."""

    @abstractmethod
    def recovery(self) -> tuple[Choice, Choice]:
        """Name the inversion method and the efficiency strategy."""

    def prepare(self, bench: Workbench) -> Learner:
        """Recover images from every LoRA, train the shared LoRA on them, and embed with it."""
        surrogates = bench.surrogates(*self.recovery(), self.per_class, self.batch)
        tasks = bench.surrogate_tasks(surrogates, self.lora_share, flip=self.flip, held_out=self.held_out)
        return bench.adapted(bench.meta_learn(self.learner, tasks, self.rank, self.targets))


@dataclass(frozen=True)
class InvertingMethod(SurrogateMethod):
    """A surrogate method whose inversion and strategy are options: others can be put in their place."""

    inversion: Choice = field(kw_only=True)
    """How images are recovered from a LoRA."""
    strategy: Choice = field(kw_only=True)
    """Which tokens are left out; what it keeps in the end is the mask that meta-training looks through."""

    def recovery(self) -> tuple[Choice, Choice]:
        """Name the inversion and the strategy that were chosen."""
        return self.inversion, self.strategy
