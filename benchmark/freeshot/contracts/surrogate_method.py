"""Base classes of inversion-based methods: invert the pool, train one meta-LoRA on the surrogates, embed with it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from freeshot.contracts.component import Choice
from freeshot.contracts.meta_learner import TaskStream
from freeshot.contracts.method import Learner, Method, Needs, Workbench
from freeshot.contracts.tensors import Adapter, SurrogateSet


@dataclass(frozen=True)
class SurrogateMethod(Method):
    """A method given by its inversion and strategy; this class adds tasks, meta-learning and embedding."""

    needs = frozenset({Needs.POOL})
    learner: Choice
    """Meta-learner that trains the meta-LoRA."""
    per_class: int = 40
    """Images per class of each LoRA."""
    lora_share: float = 0.5
    """Share of tasks from one LoRA, with its logits; the rest mixes classes across LoRAs, labels only."""
    rank: int = 4
    """Rank of the meta-LoRA."""
    targets: tuple[str, ...] = ("q", "v")
    """Layers that the LoRA modifies, of q, k, v, proj, fc1 and fc2."""
    flip: bool = True
    """Flip images left to right at random in meta-training, masks with them."""
    held_out: float = 0.0
    """Share of the surrogate classes held out of training; a meta-learner with `validate_every` uses them."""
    batch: int = 0
    """Images of a LoRA that are inverted at once, with equal numbers per class; 0: all. Saves memory."""
    train_way: int = 0
    """Classes of a mixed task in meta-training; 0: as many as at test. Tasks of one LoRA have its classes."""
    train_shot: int = 0
    """Support images per class in meta-training; 0: as many as at test. If set, tracks of different shots share one
    meta-LoRA."""

    @abstractmethod
    def inversion_and_strategy(self) -> tuple[Choice, Choice]:
        """Return the inversion method and the efficiency strategy."""

    def base_adapter(self, bench: Workbench) -> Adapter | None:
        """Return an adapter on top of which the meta-LoRA is trained, itself frozen; by default None."""
        return None

    def tasks_of(
        self, bench: Workbench, surrogates: Sequence[SurrogateSet], lora_share: float | None = None
    ) -> TaskStream:
        """Return the tasks of meta-training that the options describe, or those of another `lora_share`."""
        share = self.lora_share if lora_share is None else lora_share
        sizes = {"way": self.train_way, "shot": self.train_shot}
        return bench.surrogate_tasks(surrogates, share, flip=self.flip, held_out=self.held_out, **sizes)

    def prepare(self, bench: Workbench) -> Learner:
        """Invert every LoRA, train the meta-LoRA on the surrogates, and embed with it."""
        surrogates = bench.surrogates(*self.inversion_and_strategy(), self.per_class, self.batch)
        tasks = self.tasks_of(bench, surrogates)
        base = self.base_adapter(bench)
        return bench.adapted(bench.meta_learn(self.learner, tasks, self.rank, self.targets, base))


@dataclass(frozen=True)
class InversionBasedMethod(SurrogateMethod):
    """A surrogate method whose inversion and strategy are options."""

    inversion: Choice = field(kw_only=True)
    """Inversion that synthesises images from a LoRA."""
    strategy: Choice = field(kw_only=True)
    """Efficiency strategy that drops tokens; its final mask is used in meta-training."""

    def inversion_and_strategy(self) -> tuple[Choice, Choice]:
        """Return the selected inversion and strategy."""
        return self.inversion, self.strategy
