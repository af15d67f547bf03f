"""Inversion calibration following the inner loop (ICFIL): tune the model until it agrees with its own inverted images.

Axes: e episodes, n support images and m inverted ones, each ordered class by class, c classes, d features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.nn import Parameter
from torch.nn.functional import normalize

from freeshot import Adapter, Learner, Predictor
from freeshot.engine import EpisodeBackbone, LoraBank
from freeshot.engine.inversion.pixel_optimizer import lengths, variation_norm
from freeshot_baselines.adaptation.batched_adam import adam
from freeshot_baselines.adaptation.heads import episode_losses, labels_of, nearest_mean, prototype_predictor
from freeshot_baselines.adaptation.lora_init import initial_loras
from freeshot_baselines.purer.method import Purer


class CalibratedLearner(Learner):
    """Start at the meta-LoRA in each episode, invert images of its classes, and tune until both kinds agree."""

    def __init__(self, backbone: EpisodeBackbone, adapter: Adapter, method: Purer, episodes_per_batch: int) -> None:
        self._backbone, self._adapter, self._method = backbone, adapter, method
        self.episodes_per_batch = episodes_per_batch

    def adapt_many(self, support: Tensor, way: int, rngs: Sequence[Generator]) -> Predictor:
        """Calibrate a bank of LoRAs, one per episode; then classify by the class means of the support set."""
        backbone, method = self._backbone, self._method
        bank = initial_loras(backbone, self._adapter, (), 0, rngs)
        both = torch.cat([support, inverted(backbone, bank, support, way, method, rngs)], dim=1)  # [e, n + m, 3, h, w]
        labels = labels_of(support, way).repeat(1, 2)
        weights = list(bank.parameters())
        self.tuned_parameters = sum(weight.numel() for weight in weights) // len(support)

        def losses() -> Tensor:
            return contrastive_losses(backbone.features(both, bank), labels, method.calibrate_temperature)

        for _ in adam(weights, method.calibrate_lr, (method.calibrate,), losses):
            pass
        return prototype_predictor(lambda images: backbone.features_without_gradient(images, bank), support, way)


def inverted(
    backbone: EpisodeBackbone, bank: LoraBank, support: Tensor, way: int, method: Purer, rngs: Sequence[Generator]
) -> Tensor:
    """Optimise noise into images of each episode's classes, as many as its support set: [e, n, 3, h, w] in 0…1.

    The adapted model is the LoRA with the class means of the support set as classifier; an image's loss is its
    cross-entropy, variation and norm, as in the inversion before meta-learning. Labels are those of the support set.
    """
    normalizer, labels = backbone.normalize, labels_of(support, way)
    mean, std = normalizer.mean, normalizer.std  # [1, 3, 1, 1] each
    low, high = -mean / std, (1 - mean) / std
    real = backbone.features_without_gradient(support, bank)  # [e, n, d]
    noise = torch.stack([torch.randn(support.shape[1:], generator=rng) for rng in rngs])
    pixels = Parameter(noise.to(support))

    def losses() -> Tensor:
        """Sum over each episode's images [e], so that an image's step does not depend on their number."""
        fit = episode_losses(nearest_mean(backbone.features(pixels * std + mean, bank), real, way), labels)
        flat = pixels.flatten(0, 1)
        smooth = method.total_variation * variation_norm(flat) + method.l2 * lengths(flat)
        return fit * pixels.shape[1] + smooth.view(len(pixels), -1).sum(1)

    for _ in adam([pixels], method.pixel_lr, tuple(range(1, method.calibrate_inversion + 1)), losses):
        with torch.no_grad():
            pixels.copy_(pixels.maximum(low).minimum(high))  # clamp to valid colours
    return (pixels.detach() * std + mean).clamp(0, 1)


def contrastive_losses(features: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Return the supervised contrastive loss of each episode [e]: features [e, n, d], labels [e, n].

    Khosla et al. (2020): the mean, over images and over the others of an image's class, of the negative log share that
    exp(cosine / temperature) to that one has of the sum over all others.
    """
    unit = normalize(features, dim=-1)
    identity = torch.eye(features.shape[1], dtype=torch.bool, device=features.device)
    near = (unit @ unit.mT / temperature).masked_fill(identity, -torch.inf)  # [e, n, n]
    shares = near.log_softmax(-1).masked_fill(identity, 0)
    same_class = (labels.unsqueeze(-1) == labels.unsqueeze(-2)) & ~identity
    return -((shares * same_class).sum(-1) / same_class.sum(-1)).mean(1)
