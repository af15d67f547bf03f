"""Fine-tune a LoRA and a linear head on the support set, with settings chosen on validation classes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from freeshot import Choice, Learner, Method, Needs
from freeshot_baselines.adaptation.batched_adam import adam, episodes_together
from freeshot_baselines.adaptation.grid_search import Setting, choose, mean_accuracies
from freeshot_baselines.base_method import no_base, require_exclusive

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Generator, Tensor

    from freeshot import Adapter, Predictor, Trial, Workbench
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
    """Layers a fresh LoRA acts on, of q, k, v, proj, fc1 and fc2; the average acts where the pool's do. paper: q, v."""
    lrs: tuple[float, ...] = (1e-3, 3e-3, 1e-2)
    """Layers that a new LoRA modifies, of q, k, v, proj, fc1 and fc2; the average uses the pool's. paper: q, v."""
    steps: tuple[int, ...] = (5, 10)
    """Numbers of steps to try; the longest run passes through the shorter ones."""
    heads: tuple[str, ...] = ("zero", "prototype")
    """Numbers of steps to try; the longest run includes the shorter ones."""
    trials: int = 30
    """Initialisations of the linear head: zero, or equal to the nearest-prototype rule."""
    under: Choice = no_base()
    """Base method whose meta-LoRA is used, such as lora-recycle; by default the pre-trained network."""

    def __post_init__(self) -> None:
        require_exclusive(self.start, self.under)

    def prepare(self, bench: Workbench) -> Learner:
        """Select from the grid, once for all tracks with the same pool and shots."""
        from freeshot.engine import EpisodeBackbone

        bench = bench.on(self.under)
        trunk, average = EpisodeBackbone.of(bench.backbone()), self._average(bench)
        together = episodes_together(bench)

        def score(trials: Sequence[Trial]) -> dict[Setting, float]:
            scores: dict[Setting, float] = {}
            for lr, head in itertools.product(self.lrs, self.heads):
                learner = LoraLearner(trunk, self, average, Setting(lr, max(self.steps), head), together)
                scores |= mean_accuracies(trials, together, learner.tune, lambda place: bench.rng("trial", place))
            return scores

        options = {"method": self.name, "lrs": self.lrs, "steps": self.steps, "heads": self.heads, "rank": self.rank}
        where = {"start": self.start, "pool": bench.pool().sha256} if average else {"targets": self.targets}
        setting = choose(bench, Setting, {**options, **where}, self.trials, score)
        return LoraLearner(trunk, self, average, setting, together)

    def _average(self, bench: Workbench) -> Adapter | None:
        if self.start == "zero":
            return None
        from freeshot_baselines.composition.average import LoraAverage

        return LoraAverage(rank=self.rank).compose(bench.pool().entries)


class LoraLearner(Learner):
    """Initialise a LoRA and a head for each episode, and tune them in parallel."""

    def __init__(
        self, trunk: EpisodeBackbone, method: LoraFinetuning, average: Adapter | None, setting: Setting, together: int
    ) -> None:
        self._trunk, self._method, self._average, self._setting = trunk, method, average, setting
        self.together = together

    def adapt_many(self, support: Tensor, way: int, rngs: Sequence[Generator]) -> Predictor:
        """Tune a bank of LoRAs, one per episode."""
        *_, (_, predict) = self.tune(support, way, rngs, (self._setting.steps,))
        return predict

    def tune(
        self, support: Tensor, way: int, rngs: Sequence[Generator], stops: Sequence[int] = ()
    ) -> Iterator[tuple[Setting, Predictor]]:
        """Yield the tuned classifiers after each of `stops` steps, or after all steps of the grid."""
        from torch.nn import Parameter

        from freeshot_baselines.adaptation.heads import episode_losses, labels_of, linear_start
        from freeshot_baselines.adaptation.lora_init import started

        trunk, setting = self._trunk, self._setting
        bank = started(trunk, self._average, self._method.targets, self._method.rank, rngs)
        labels = labels_of(support, way)
        features = trunk.features_without_gradient(support, bank)
        weight, bias = (Parameter(part) for part in linear_start(features, labels, way, setting.head))

        def head(features: Tensor) -> Tensor:
            return features @ weight.mT + bias.unsqueeze(1)  # [e, n, c]

        def losses() -> Tensor:
            return episode_losses(head(trunk.features(support, bank)), labels)

        def predict(images: Tensor) -> Tensor:
            return head(trunk.features_without_gradient(images, bank))

        parameters = [*bank.parameters(), weight, bias]
        self.tuned = sum(p.numel() for p in parameters) // len(support)
        for step in adam(parameters, setting.lr, stops or self._method.steps, losses):
            yield Setting(setting.lr, step, setting.head), predict
