"""A router over the pool's LoRAs.

Axes: e episodes, n images, l LoRAs, d features, k LoRAs per image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Learner, Method, Needs, Predictor, Workbench
from freeshot.basics.validators import require_positive
from freeshot_baselines.adaptation.batched_adam import IMAGES_PER_PASS, adam, freeze_for_episodes

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from freeshot.engine import EpisodeBackbone
    from freeshot_baselines.composition.lora_mixture import LoraStack


@dataclass(frozen=True)
class Mole(Method):
    """Let a gate select a few of the pool's LoRAs for each image, and tune the gate on each support set.

    Re-implementation, for a pool of given LoRAs, of mixtures whose experts are trained with their router. The gate's
    input is the frozen feature of an image; it weights its top k LoRAs by softmax, equally in all layers (MoA: a router
    in each layer that selects one per sequence; LLaVA-MoLE: one per token). The head is the nearest class mean. The
    gate's initialisation, rate and number of steps are ours.
    """

    name = "mole"
    citation = "Feng et al., Mixture-of-LoRAs, 2403.03432; Chen et al., LLaVA-MoLE, 2401.16160 ('MOLE' in LoRA Recycle)"
    paper_url = "https://arxiv.org/abs/2403.03432"
    needs = frozenset({Needs.POOL})
    k: int = 2
    """Number of LoRAs per image. papers: 1, among a handful of experts."""
    init_std: float = 0.02
    """Standard deviation of the gate's initial weights, on features of length one; ours."""
    lr: float = 0.1
    """Learning rate of Adam; ours."""
    steps: int = 20
    """Steps on each support set; ours."""

    def __post_init__(self) -> None:
        require_positive(self, "k")

    def prepare(self, bench: Workbench) -> Learner:
        """Stack the LoRAs; all tuning happens per episode."""
        from freeshot_baselines.composition.lora_mixture import LoraStack

        backbone, episodes_per_batch = freeze_for_episodes(bench, copies=2 if bench.shot == 1 else 1)
        stack = LoraStack.of(bench.pool().entries, backbone.like)
        return MoleLearner(backbone, stack, self, episodes_per_batch)


class MoleLearner(Learner):
    """Tune a gate for each episode."""

    def __init__(self, backbone: EpisodeBackbone, stack: LoraStack, method: Mole, episodes_per_batch: int) -> None:
        self._backbone, self._stack, self._method = backbone, stack, method
        self.episodes_per_batch = episodes_per_batch

    def adapt_many(self, support: Tensor, way: int, rngs: Sequence[Generator]) -> Predictor:
        """Tune the gates of e episodes by gradient steps."""
        import torch
        from torch.nn import Parameter

        from freeshot_baselines.adaptation.heads import prototype_predictor
        from freeshot_baselines.adaptation.support_loss import support_losses

        backbone, stack, method = self._backbone, self._stack, self._method
        frozen_support = backbone.features_without_gradient(support)  # [e, n, d]
        width = frozen_support.shape[-1]
        start = torch.stack([torch.randn(stack.loras, width, generator=rng) for rng in rngs])
        gate = Parameter((method.init_std * start).to(backbone.like))  # [e, l, d]
        self.tuned_parameters = gate[0].numel()

        def features(images: Tensor) -> Tensor:
            frozen = frozen_support if images is support else backbone.features_without_gradient(images)
            chosen, weights = (part.flatten(0, 1) for part in routed(frozen, gate, method.k))  # [e·n, k] each
            return backbone.features(images, stack.chosen(chosen, weights))

        for _ in adam([gate], method.lr, (method.steps,), lambda: support_losses(features, support, way, rngs)):
            pass

        def in_batches(images: Tensor) -> Tensor:
            batches = torch.split(images, max(1, IMAGES_PER_PASS // len(images)), dim=1)
            with torch.no_grad():
                return torch.cat([features(batch) for batch in batches], dim=1)  # [e, n, d]

        return prototype_predictor(in_batches, support, way)


def routed(features: Tensor, gate: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Select LoRAs for images [e, n, d] by gates [e, l, d]: the k best and a softmax over them, [e, n, k] each.

    For k = 1 the weight is the softmax over all LoRAs, because otherwise the gate has no gradient.
    """
    from torch.nn.functional import normalize

    logits = normalize(features, dim=-1) @ gate.mT  # [e, n, l]
    best = logits.topk(min(k, logits.shape[-1]), dim=-1)
    if k == 1:
        return best.indices, logits.softmax(-1).gather(-1, best.indices)
    return best.indices, best.values.softmax(-1)
