"""Fine-tune a LoRA and a linear head on the support set, with settings chosen on validation classes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from freeshot import Adapter, Choice, Learner, Method, Needs, Predictor, Workbench
from freeshot_baselines.adaptation.batched_adam import adam, freeze_for_episodes
from freeshot_baselines.adaptation.grid_search import Setting, choose_tuned
from freeshot_baselines.base_method import no_base, require_exclusive

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from freeshot.engine import EpisodeBackbone


@dataclass(frozen=True)
class LoraFinetuning(Method):
    """Tune a LoRA and a linear head on each support set, many sets at once; rate, steps and head from a stated grid.

    Re-implementation of the 'LoRA + Linear' rows of LoRA Recycle's table, which have one untuned setting; as in
    `full-finetuning` every combination of the grid is evaluated on the same validation tasks, and the best mean
    accuracy wins. Starts from zero, or (`start=average`) from the average of the pool.
    """

    name = "lora-finetuning"
    citation = "the 'LoRA + Linear' rows of Hu et al., LoRA Recycle, CVPR 2025, with a grid; Hu et al., LoRA, ICLR 2022"
    needs = frozenset({Needs.POOL, Needs.VALIDATION})
    start: Literal["zero", "average"] = "zero"
    """'zero': a new LoRA, which adds nothing at first; 'average': the mean of the pool's B·A, truncated to the rank by
    SVD."""
    rank: int = 4
    """Rank of the LoRA."""
    targets: tuple[str, ...] = ("q", "v")
    """Layers that a new LoRA modifies, of q, k, v, proj, fc1 and fc2; the average uses the pool's. paper: q, v."""
    lrs: tuple[float, ...] = (1e-3, 3e-3, 1e-2)
    """Learning rates of Adam to try."""
    steps: tuple[int, ...] = (5, 10)
    """Numbers of steps to try; the longest run includes the shorter ones."""
    heads: tuple[str, ...] = ("zero", "prototype")
    """Initialisations of the linear head: zero, or equal to the nearest-prototype rule."""
    trials: int = 30
    """Validation tasks on which the grid is evaluated."""
    base: Choice = no_base()
    """Base method whose meta-LoRA is used, such as lora-recycle; by default the pre-trained network."""

    def __post_init__(self) -> None:
        require_exclusive(self.start, self.base)

    def prepare(self, bench: Workbench) -> Learner:
        """Select from the grid, once for all tracks with the same pool and shots."""
        bench = bench.with_base(self.base)
        backbone, episodes_per_batch = freeze_for_episodes(bench)
        average = self._average(bench)
        candidates = [
            LoraLearner(backbone, self, average, Setting(lr, max(self.steps), head), episodes_per_batch)
            for lr, head in itertools.product(self.lrs, self.heads)
        ]
        options = {"method": self.name, "lrs": self.lrs, "steps": self.steps, "heads": self.heads, "rank": self.rank}
        where = {"start": self.start, "pool": bench.pool().sha256} if average else {"targets": self.targets}
        setting = choose_tuned(bench, Setting, {**options, **where}, self.trials, candidates)
        return LoraLearner(backbone, self, average, setting, episodes_per_batch)

    def _average(self, bench: Workbench) -> Adapter | None:
        if self.start == "zero":
            return None
        from freeshot_baselines.composition.averages import LoraAverage

        return LoraAverage(rank=self.rank).compose(bench.pool().entries)


class LoraLearner(Learner):
    """Initialise a LoRA and a head for each episode, and tune them in parallel."""

    def __init__(
        self,
        backbone: EpisodeBackbone,
        method: LoraFinetuning,
        average: Adapter | None,
        setting: Setting,
        episodes_per_batch: int,
    ) -> None:
        self._backbone, self._method, self._average, self._setting = backbone, method, average, setting
        self.episodes_per_batch = episodes_per_batch

    def adapt_many(self, support: Tensor, way: int, rngs: Sequence[Generator]) -> Predictor:
        """Tune a bank of LoRAs, one per episode."""
        *_, (_, predict) = self.tune(support, way, rngs, (self._setting.steps,))
        return predict

    def tune(
        self, support: Tensor, way: int, rngs: Sequence[Generator], stops: Sequence[int] = ()
    ) -> Iterator[tuple[Setting, Predictor]]:
        """Yield the tuned classifiers after each of `stops` steps, or after all steps of the grid."""
        from torch.nn import Parameter

        from freeshot_baselines.adaptation.heads import episode_losses, initial_head, labels_of
        from freeshot_baselines.adaptation.lora_init import initial_loras

        backbone, setting = self._backbone, self._setting
        bank = initial_loras(backbone, self._average, self._method.targets, self._method.rank, rngs)
        labels = labels_of(support, way)
        features = backbone.features_without_gradient(support, bank)
        weight, bias = (Parameter(part) for part in initial_head(features, labels, way, setting.head))

        def head(features: Tensor) -> Tensor:
            return features @ weight.mT + bias.unsqueeze(1)  # [e, n, c]

        def losses() -> Tensor:
            return episode_losses(head(backbone.features(support, bank)), labels)

        def predict(images: Tensor) -> Tensor:
            return head(backbone.features_without_gradient(images, bank))

        parameters = [*bank.parameters(), weight, bias]
        self.tuned_parameters = sum(p.numel() for p in parameters) // len(support)
        for step in adam(parameters, setting.lr, stops or self._method.steps, losses):
            yield Setting(setting.lr, step, setting.head), predict
