"""Fine-tune every weight on the support set, with settings chosen on validation classes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Choice, Learner, Method, Needs, Predictor, Shots, Workbench
from freeshot_baselines.adaptation.grid_search import Setting, choose_tuned
from freeshot_baselines.base_method import no_base
from freeshot_baselines.heads.custom_head import labels_of

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn


@dataclass(frozen=True)
class FullFinetuning(Method):
    """Tune all weights and a linear head on each support set; learning rate, steps and head from a stated grid.

    Every combination of the grid is evaluated on the same validation tasks, which are drawn from validation classes of
    the pool's data sets; the best mean accuracy wins. Test episodes are not used. LoRA Recycle's own table has this
    baseline at one untuned setting (SGD, 0.1, 50 steps).
    """

    name = "full-finetuning"
    citation = "the 'Full Finetuning' rows of Hu et al., LoRA Recycle, CVPR 2025, with a grid"
    needs = frozenset({Needs.VALIDATION})
    lrs: tuple[float, ...] = (1e-4, 3e-4, 1e-3)
    """Learning rates of Adam to try."""
    steps: tuple[int, ...] = (2, 5, 10)
    """Numbers of steps to try; the longest run includes the shorter ones."""
    heads: tuple[str, ...] = ("zero", "prototype")
    """Initialisations of the linear head: zero, or equal to the nearest-prototype rule."""
    trials: int = 30
    """Validation tasks on which the grid is evaluated."""
    base: Choice = no_base()
    """Base method whose meta-LoRA is used, such as lora-recycle; by default the pre-trained network."""

    def prepare(self, bench: Workbench) -> Learner:
        """Select from the grid, once for all tracks with the same pool and shots."""
        bench = bench.with_base(self.base)
        network = bench.backbone()
        recipe = {"method": self.name, "lrs": self.lrs, "steps": self.steps, "heads": self.heads}
        grid = itertools.product(self.lrs, self.heads)
        candidates = [FinetuningLearner(network, lr, self.steps, head) for lr, head in grid]
        setting = choose_tuned(bench, Setting, recipe, self.trials, candidates)
        return FinetuningLearner(network, setting.lr, (setting.steps,), setting.head)


class FinetuningLearner(Learner):
    """Start from the backbone in every episode, and tune for several numbers of steps in one run."""

    def __init__(self, network: nn.Module, lr: float, steps: Sequence[int], head: str) -> None:
        self._network, self._lr, self._steps, self._head = network, lr, steps, head

    def adapt(self, support: Shots, way: int, rng: Generator) -> Predictor:
        """Tune on the support set; this is deterministic."""
        *_, (_, tuned) = finetune(self._network, support, way, self._lr, self._steps, self._head)
        self.tuned_parameters = sum(p.numel() for p in tuned.parameters())
        return tuned

    def tune(self, support: Tensor, way: int, rngs: Sequence[Generator]) -> Iterator[tuple[Setting, Predictor]]:
        """Yield the classifier of a single episode, images [1, n, 3, h, w], after each number of steps."""
        shots = Shots(support[0], labels_of(support, way))
        for steps, tuned in finetune(self._network, shots, way, self._lr, self._steps, self._head):
            yield Setting(self._lr, steps, self._head), lambda images, tuned=tuned: tuned(images[0]).unsqueeze(0)


def finetune(
    network: nn.Module, support: Shots, way: int, lr: float, stops: Sequence[int], head: str
) -> Iterator[tuple[int, nn.Sequential]]:
    """Run Adam over all weights, and yield the classifier after each of `stops` steps; later steps change it."""
    import copy

    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy

    from freeshot_baselines.adaptation.heads import initial_head

    model = copy.deepcopy(network)
    with torch.no_grad():
        features = model(support.images)  # [n, d]
    classifier = nn.Linear(features.shape[1], way).to(features)
    for parameter, start in zip(
        classifier.parameters(), initial_head(features, support.labels, way, head), strict=True
    ):
        parameter.data.copy_(start)
    tuned = nn.Sequential(model, classifier)
    optimizer = torch.optim.Adam(tuned.parameters(), lr=lr, fused=True)
    for step in range(1, max(stops) + 1):
        loss = cross_entropy(tuned(support.images), support.labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step in stops:
            yield step, tuned
