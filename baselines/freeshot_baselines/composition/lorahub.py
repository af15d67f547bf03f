"""LoraHub: coefficients of some LoRAs, found without gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from freeshot import Learner, LoraEntry, Method, Needs, Predictor, Workbench
from freeshot_baselines.adaptation.batched_adam import freeze_for_episodes

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from freeshot.engine import EpisodeBackbone
    from freeshot.engine.vit.forward import AdditiveAdapter


@dataclass(frozen=True)
class LoraHub(Method):
    """Search coefficients of some of the pool's LoRAs on each support set, without gradients.

    Re-implementation for images: minimise L((Σ wᵢBᵢ)(Σ wᵢAᵢ)) + penalty · mean |wᵢ| over w. Loss and head are the
    nearest class mean's: support images are classified by means computed without them (with one shot: augmented copies
    by the images). As in the paper, candidates are drawn at random, here for every episode, and the search starts at
    zero, the backbone.
    """

    name = "lorahub"
    citation = "Huang et al., LoraHub: Efficient Cross-Task Generalization via Dynamic LoRA Composition, COLM 2024"
    paper_url = "https://arxiv.org/abs/2307.13269"
    code_url = "https://github.com/sail-sg/lorahub"
    needs = frozenset({Needs.POOL})
    candidates: int = 20
    """Number of LoRAs drawn for an episode; all if the pool has no more. paper: 20."""
    budget: int = 40
    """Evaluations of a search. paper: 40."""
    bound: float = 1.5
    """Coefficients are in ± this bound. paper: 1.5."""
    penalty: float = 0.05
    """Weight of the mean of |coefficient| in the loss. paper: 0.05."""
    space: Literal["factors", "delta"] = "factors"
    """'factors': Σw·A and Σw·B, whose product has cross-terms, as in the paper; 'delta': Σw·B·A."""
    algorithm: str = "NGOpt"
    """Name of the optimiser in nevergrad. paper: NGOpt."""

    def require_ready(self) -> None:
        """Require nevergrad and the optimiser."""
        from freeshot_baselines.composition.gradient_free import require_algorithm

        require_algorithm(self.algorithm)

    def prepare(self, bench: Workbench) -> Learner:
        """Stack the LoRAs; the search happens per episode."""
        from freeshot_baselines.composition.lora_mixture import LoraStack

        self.require_ready()  # in case it is prepared without a plan
        backbone, episodes_per_batch = freeze_for_episodes(bench, copies=2 if bench.shot == 1 else 1)
        entries = bench.pool().entries
        mixing = (
            LoraStack.of(entries, backbone.like).mixed if self.space == "delta" else factor_sums(entries, backbone.like)
        )
        return LoraHubLearner(backbone, self, len(entries), mixing, episodes_per_batch)


def factor_sums(entries: Sequence[LoraEntry], like: Tensor) -> Callable[[Tensor], AdditiveAdapter]:
    """Return the function from coefficients [e, l] to a bank of Σw·A and Σw·B for each episode."""
    import torch

    from freeshot.engine import LoraBank, slots_of_all
    from freeshot_baselines.composition.deltas import stacked_factors

    factors = {slot: [f.to(like) for f in stacked_factors(entries, slot)] for slot in slots_of_all(entries)}

    def mixed(weights: Tensor) -> AdditiveAdapter:
        sums = {slot: [torch.einsum("el,lxy->exy", weights, f) for f in pair] for slot, pair in factors.items()}
        return LoraBank({slot: (a, b) for slot, (a, b) in sums.items()})

    return mixed


class LoraHubLearner(Learner):
    """Search coefficients for each episode, and embed with the result."""

    def __init__(
        self,
        backbone: EpisodeBackbone,
        method: LoraHub,
        loras: int,
        mixing: Callable[[Tensor], AdditiveAdapter],
        episodes_per_batch: int,
    ) -> None:
        self._backbone, self._method, self._loras, self._mixing = backbone, method, loras, mixing
        self.episodes_per_batch = episodes_per_batch

    def adapt_many(self, support: Tensor, way: int, rngs: Sequence[Generator]) -> Predictor:
        """Run e searches in parallel."""
        import torch

        from freeshot_baselines.adaptation.augmentation import augmented
        from freeshot_baselines.adaptation.heads import prototype_predictor
        from freeshot_baselines.adaptation.support_loss import support_losses
        from freeshot_baselines.composition.gradient_free import search_coefficients

        backbone, method = self._backbone, self._method
        drawn = torch.stack([torch.randperm(self._loras, generator=rng) for rng in rngs])[:, : method.candidates]
        copies = augmented(support, rngs) if support.shape[1] == way else None  # the same for all points of a search

        def mixed(coefficients: Tensor) -> AdditiveAdapter:
            zeros = torch.zeros(len(support), self._loras, dtype=coefficients.dtype)
            return self._mixing(zeros.scatter(1, drawn, coefficients).to(backbone.like))  # [e, l]

        def losses(coefficients: Tensor) -> Tensor:
            adding = mixed(coefficients)
            fit = support_losses(lambda x: backbone.features_without_gradient(x, adding), support, way, rngs, copies)
            return fit.double().cpu() + method.penalty * coefficients.abs().mean(1)  # [e]

        size = self.tuned_parameters = drawn.shape[1]
        adding = mixed(search_coefficients(losses, size, method.bound, method.budget, method.algorithm, rngs))
        return prototype_predictor(lambda images: backbone.features_without_gradient(images, adding), support, way)
