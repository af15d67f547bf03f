"""A conditional variational autoencoder over coordinates of LoRAs.

Axes: n samples, m coordinates, d features of a condition, z latent.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn


class Cvae(nn.Module):
    """q(z | LoRA, condition) and p(LoRA | z, condition), both with two layers; conditions are standardised first.

    `reach` clips the standardised features of a condition; 0: no clipping.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, coordinates: int, features: int, latent: int, hidden: int, reach: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("std", torch.ones(features))
        self.encoder = nn.Sequential(
            nn.Linear(coordinates + features, hidden), nn.GELU(), nn.Linear(hidden, 2 * latent)
        )
        self.decoder = nn.Sequential(nn.Linear(latent + features, hidden), nn.GELU(), nn.Linear(hidden, coordinates))
        self.latent, self.reach = latent, reach

    def standardise(self, conditions: Tensor) -> None:
        """Set the mean and deviation of conditions [n, d] for standardisation; constant features are set to zero."""
        std = conditions.std(0, unbiased=False)
        self.mean.copy_(conditions.mean(0))
        self.std.copy_(std.clamp(min=1e-3 * float(std.max()) + 1e-12))

    def encode(self, loras: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the latent [n, z]."""
        mean, log_variance = self.encoder(torch.cat([loras, self._usual(conditions)], 1)).chunk(2, 1)
        return mean, log_variance

    def decode(self, latent: Tensor, conditions: Tensor) -> Tensor:
        """Return LoRAs [n, m]."""
        loras: Tensor = self.decoder(torch.cat([latent, self._usual(conditions)], 1))
        return loras

    def _usual(self, conditions: Tensor) -> Tensor:
        off = (conditions - self.mean) / self.std
        return off.clamp(-self.reach, self.reach) if self.reach else off


def bound(network: Cvae, loras: Tensor, conditions: Tensor, kl: float, rng: Generator) -> Tensor:
    """Return the mean squared reconstruction error plus `kl` times KL(q ‖ N(0, 1)) per LoRA: a scalar."""
    mean, log_variance = network.encode(loras, conditions)
    noise = torch.randn(mean.shape, generator=rng, dtype=mean.dtype).to(mean.device)
    error = (network.decode(mean + (log_variance / 2).exp() * noise, conditions) - loras).square().mean()
    return error + kl * divergence(mean, log_variance).mean()


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(μ, σ²) ‖ N(0, 1)) of each sample: [n, z] → [n]."""
    return (mean.square() + log_variance.exp() - log_variance - 1).sum(1) / 2


def fresh(coordinates: int, features: int, latent: int, hidden: int, rng: Generator, reach: float = 0.0) -> Cvae:
    """Build a network with weights from `rng` only."""
    with torch.random.fork_rng(devices=[]):  # torch's layers use the global generator
        torch.manual_seed(int(torch.randint(2**62, (), generator=rng)))
        return Cvae(coordinates, features, latent, hidden, reach)
