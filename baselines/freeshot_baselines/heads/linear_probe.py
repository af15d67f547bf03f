"""Logistic regression on frozen features, with the penalty chosen on validation classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Choice, Learner, Method, Needs, ValidationEpisode, Workbench
from freeshot_baselines.adaptation.grid_search import choose
from freeshot_baselines.base_method import no_base
from freeshot_baselines.heads.custom_head import CustomHeadLearner, labels_of

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Penalty:
    """The searched setting: the weight of the data relative to the penalty."""

    c: float

    def __str__(self) -> str:
        return f"C {self.c:g}"


@dataclass(frozen=True)
class LinearProbe(Method):
    """Fit an L2-regularised logistic regression on the frozen features of each support set.

    Features have length one, as Tian et al. (2020) recommend. The penalty is the best of a stated grid on validation
    classes; LoRA Recycle's table has its linear probe at one untuned setting.
    """

    name = "linear-probe"
    citation = (
        "the 'Linear-probe' rows of Hu et al., LoRA Recycle, CVPR 2025; Tian et al., Rethinking Few-Shot, ECCV 2020"
    )
    needs = frozenset({Needs.VALIDATION})
    cs: tuple[float, ...] = (0.1, 1.0, 10.0, 100.0)
    """Weights of the data relative to the penalty to try, as in scikit-learn."""
    trials: int = 100
    """Validation tasks on which they are evaluated."""
    base: Choice = no_base()
    """Base method whose meta-LoRA is used, such as lora-recycle; by default the pre-trained network."""

    def prepare(self, bench: Workbench) -> Learner:
        """Select the penalty, once for all tracks with the same pool and shots."""
        bench = bench.with_base(self.base)
        frozen = bench.frozen()
        recipe = {"method": self.name, "cs": self.cs}
        chosen = choose(bench, Penalty, recipe, self.trials, lambda trials: self._scores(frozen, trials))
        return ProbeLearner(frozen, chosen.c)

    def _scores(self, frozen: Learner, trials: Sequence[ValidationEpisode]) -> dict[Penalty, float]:
        import torch

        with torch.no_grad():
            support = torch.stack([frozen.embed(trial.support.images) for trial in trials])  # [e, n, d]
            query = torch.stack([frozen.embed(trial.query.images) for trial in trials])  # [e, q, d]
        query_labels = torch.stack([trial.query.labels for trial in trials])
        scores = {}
        for c in self.cs:
            predicted = ProbeLearner(frozen, c).classify(support, query, trials[0].way).argmax(-1)
            scores[Penalty(c)] = float((predicted == query_labels).double().mean())
        return scores


class ProbeLearner(CustomHeadLearner):
    """Features of a learner, and a linear classifier fitted to each support set."""

    fits_head = True

    def __init__(self, features: Learner, c: float) -> None:
        super().__init__(features)
        self._c = c

    def classify(self, support: Tensor, query: Tensor, way: int) -> Tensor:
        """Fit the classifier, and score the queries."""
        from torch.nn.functional import normalize

        support, query = normalize(support.double(), dim=-1), normalize(query.double(), dim=-1)
        weight, bias = logistic_regression(support, labels_of(support, way), way, self._c)
        self.tuned_parameters = weight[0].numel() + bias[0].numel()
        return query @ weight.mT + bias.unsqueeze(1)


def logistic_regression(
    features: Tensor, labels: Tensor, way: int, c: float, iterations: int = 100
) -> tuple[Tensor, Tensor]:
    """Minimise c · Σ cross-entropy + ½‖W‖² for e problems at once: features [e, n, d] → W [e, c, d], bias [e, c].

    The problems are convex and independent, so one L-BFGS run over all of them solves each.
    """
    import torch
    from torch.nn.functional import cross_entropy

    count, size, width = features.shape
    with torch.inference_mode(mode=False), torch.enable_grad():
        features, targets = features.clone(), labels.repeat(count)  # [e, n, d], [e·n]
        weight = features.new_zeros(count, way, width, requires_grad=True)
        bias = features.new_zeros(count, way, requires_grad=True)
        optimizer = torch.optim.LBFGS(
            [weight, bias], max_iter=iterations, tolerance_grad=1e-5, line_search_fn="strong_wolfe"
        )

        def loss() -> Tensor:
            optimizer.zero_grad()
            logits = features @ weight.mT + bias.unsqueeze(1)  # [e, n, c]
            fit = cross_entropy(logits.flatten(0, 1), targets, reduction="sum")
            total: Tensor = c * fit + weight.square().sum() / 2
            total.backward()  # type: ignore[no-untyped-call]
            return total

        optimizer.step(loss)  # type: ignore[no-untyped-call]
    assert size == len(labels)
    return weight.detach(), bias.detach()
