"""Inversion calibration following the inner loop (ICFIL): tune the model until it agrees with its own inverted images.

Axes: e episodes, n support images and m inverted ones, each ordered class by class, c classes, d features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import Parameter
from torch.nn.functional import normalize

from freeshot import Learner
from freeshot.engine.inversion.pixel_optimizer import lengths, variation_norm
from freeshot_baselines.adaptation.batched_adam import adam
from freeshot_baselines.adaptation.heads import episode_losses, labels_of, nearest_mean
from freeshot_baselines.adaptation.lora_init import started

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Generator, Tensor

    from freeshot import Adapter, Predictor
    from freeshot.engine import EpisodeBackbone, LoraBank


@dataclass(frozen=True)
class Calibration:
    """Settings of the inversion from the adapted model, and of its calibration."""

    steps: int
    lr: float
    temperature: float
    inversion_steps: int
    pixel_lr: float
    total_variation: float
    l2: float


class CalibratedLearner(Learner):
    """Start at the meta-LoRA in each episode, invert images of its classes, and tune until both kinds agree."""

    def __init__(self, trunk: EpisodeBackbone, adapter: Adapter, calibration: Calibration, together: int) -> None:
        self._trunk, self._adapter, self._calibration = trunk, adapter, calibration
        self.together = together

    def adapt_many(self, support: Tensor, way: int, rngs: Sequence[Generator]) -> Predictor:
        """Calibrate a bank of LoRAs, one per episode; then classify by the class means of the support set."""
        trunk, plan = self._trunk, self._calibration
        bank = started(trunk, self._adapter, (), 0, rngs)
        both = torch.cat([support, inverted(trunk, bank, support, way, plan, rngs)], dim=1)  # [e, n + m, 3, h, w]
        labels = labels_of(support, way).repeat(1, 2)
        weights = list(bank.parameters())
        self.tuned = sum(weight.numel() for weight in weights) // len(support)

        def losses() -> Tensor:
            return contrastive_losses(trunk.features(both, bank), labels, plan.temperature)

        for _ in adam(weights, plan.lr, (plan.steps,), losses):
            pass
        shown = trunk.features_without_gradient(support, bank)
        return lambda images: nearest_mean(trunk.features_without_gradient(images, bank), shown, way)


def inverted(
    trunk: EpisodeBackbone, bank: LoraBank, support: Tensor, way: int, plan: Calibration, rngs: Sequence[Generator]
) -> Tensor:
    """Optimise noise into images of each episode's classes, as many as its support set: [e, n, 3, h, w] in 0…1.

    The adapted model is the LoRA with the class means of the support set as classifier; an image's loss is its
    cross-entropy, variation and norm, as in the inversion before meta-learning. Labels are those of the support set.
    """
    normalizer, labels = trunk.normalize, labels_of(support, way)
    mean, std = normalizer.mean, normalizer.std  # [1, 3, 1, 1] each
    low, high = -mean / std, (1 - mean) / std
    shown = trunk.features_without_gradient(support, bank)
    noise = torch.stack([torch.randn(support.shape[1:], generator=rng) for rng in rngs])
    pixels = Parameter(noise.to(support))

    def losses() -> Tensor:
        """Sum over each episode's images [e], so that an image's step does not depend on their number."""
        fit = episode_losses(nearest_mean(trunk.features(pixels * std + mean, bank), shown, way), labels)
        flat = pixels.flatten(0, 1)
        smooth = plan.total_variation * variation_norm(flat) + plan.l2 * lengths(flat)
        return fit * pixels.shape[1] + smooth.view(len(pixels), -1).sum(1)

    for _ in adam([pixels], plan.pixel_lr, tuple(range(1, plan.inversion_steps + 1)), losses):
        with torch.no_grad():
            pixels.copy_(pixels.maximum(low).minimum(high))  # clamp to valid colours
    return (pixels.detach() * std + mean).clamp(0, 1)


def contrastive_losses(features: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Return the supervised contrastive loss of each episode [e]: features [e, n, d], labels [e, n].

    Khosla et al. (2020): the mean, over images and over the others of an image's class, of the negative log share that
    exp(cosine / temperature) to that one has of the sum over all others.
    """
    unit = normalize(features, dim=-1)
    itself = torch.eye(features.shape[1], dtype=torch.bool, device=features.device)
    near = (unit @ unit.mT / temperature).masked_fill(itself, -torch.inf)  # [e, n, n]
    shares = near.log_softmax(-1).masked_fill(itself, 0)
    alike = (labels.unsqueeze(-1) == labels.unsqueeze(-2)) & ~itself
    return -((shares * alike).sum(-1) / alike.sum(-1)).mean(1)
