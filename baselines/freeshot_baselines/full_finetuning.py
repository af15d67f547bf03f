"""Fine-tune every weight on the support set, with settings chosen on validation classes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Choice, Learner, Method, Needs
from freeshot_baselines.adaptation.grid_search import Setting, choose
from freeshot_baselines.base_method import no_base

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Generator, Tensor, nn

    from freeshot import Predictor, Shots, Trial, Workbench


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
    under: Choice = no_base()
    """Base method whose meta-LoRA is used, such as lora-recycle; by default the pre-trained network."""

    def prepare(self, bench: Workbench) -> Learner:
        """Select from the grid, once for all tracks with the same pool and shots."""
        bench = bench.on(self.under)
        network = bench.backbone()
        recipe = {"method": self.name, "lrs": self.lrs, "steps": self.steps, "heads": self.heads}
        setting = choose(bench, Setting, recipe, self.trials, lambda trials: self._scores(network, trials))
        return FinetuningLearner(network, setting.lr, setting.steps, setting.head)

    def _scores(self, network: nn.Module, trials: Sequence[Trial]) -> Mapping[Setting, float]:
        scores: dict[Setting, float] = {}
        for lr, head in itertools.product(self.lrs, self.heads):
            totals = dict.fromkeys(self.steps, 0.0)
            for trial in trials:
                for steps, tuned in finetune(network, trial.support, trial.way, lr, self.steps, head):
                    totals[steps] += _accuracy(tuned, trial.query)
            scores |= {Setting(lr, steps, head): total / len(trials) for steps, total in totals.items()}
        return scores


class FinetuningLearner(Learner):
    """Start from the backbone in every episode, and tune."""

    def __init__(self, network: nn.Module, lr: float, steps: int, head: str) -> None:
        self._network, self._lr, self._steps, self._head = network, lr, steps, head

    def adapt(self, support: Shots, way: int, rng: Generator) -> Predictor:
        """Tune on the support set; this is deterministic."""
        stages = list(finetune(self._network, support, way, self._lr, (self._steps,), self._head))
        self.tuned = sum(p.numel() for p in stages[-1][1].parameters())
        return stages[-1][1]


def finetune(
    network: nn.Module, support: Shots, way: int, lr: float, stops: Sequence[int], head: str
) -> list[tuple[int, nn.Sequential]]:
    """Run Adam over all weights, and return the tuned classifier after each of `stops` steps."""
    import copy

    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy

    model = copy.deepcopy(network)
    with torch.no_grad():
        features = model(support.images)
    classifier = _head(features, support.labels, way, head)
    optimizer = torch.optim.Adam([*model.parameters(), *classifier.parameters()], lr=lr, fused=True)
    tuned: list[tuple[int, nn.Sequential]] = []
    for step in range(1, max(stops) + 1):
        loss = cross_entropy(classifier(model(support.images)), support.labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step in stops:
            last = step == max(stops)
            parts = (model, classifier) if last else (copy.deepcopy(model), copy.deepcopy(classifier))
            tuned.append((step, nn.Sequential(*parts)))
    return tuned


def _head(features: Tensor, labels: Tensor, way: int, start: str) -> nn.Linear:
    """Create the linear head of one episode."""
    import torch
    from torch import nn

    from freeshot_baselines.adaptation.heads import linear_start

    head = nn.Linear(features.shape[1], way).to(features)
    weight, bias = linear_start(features, labels, way, start)
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(bias)
    return head


def _accuracy(predict: Predictor, query: Shots) -> float:
    import torch

    with torch.no_grad():
        return float((predict(query.images).argmax(1) == query.labels).double().mean())
