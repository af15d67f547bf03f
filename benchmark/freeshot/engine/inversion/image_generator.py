"""Image generators from latent vectors, and weight initialisation from a named random stream.

Axes: n images, z latent dimensions, h × w pixels.
"""

from __future__ import annotations

import torch
from torch import Generator, nn

SMALLEST = 8
"""Largest side of a generator's first feature map."""


def build_generator(side: int, latent: int, width: int) -> nn.Sequential:
    """Build latents [n, z] → images [n, 3, side, side] in 0…1: a small map, upsampled by doubling."""
    start, doublings = side, 0
    while start % 2 == 0 and start > SMALLEST:
        start, doublings = start // 2, doublings + 1
    channels = [2 * width] * max(doublings, 1) + [width]
    layers: list[nn.Module] = [
        nn.Linear(latent, channels[0] * start**2),  # [n, c · s · s]
        nn.Unflatten(1, (channels[0], start, start)),  # [n, c, s, s]
        nn.BatchNorm2d(channels[0], track_running_stats=False),
    ]
    for number in range(max(doublings, 1)):
        if number < doublings:
            layers.append(nn.Upsample(scale_factor=2))  # [n, c, 2 s, 2 s]
        layers += [
            nn.Conv2d(channels[number], channels[number + 1], 3, padding=1),
            nn.BatchNorm2d(channels[number + 1], track_running_stats=False),
            nn.LeakyReLU(0.2),
        ]
    return nn.Sequential(*layers, nn.Conv2d(width, 3, 3, padding=1), nn.Sigmoid())


def start_from(network: nn.Module, rng: Generator) -> None:
    """Re-initialise a network from `rng` only: weights uniform in ±1/√inputs, biases zero."""
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.endswith("bias"):
                weight.zero_()  # torch initialises biases from its global generator
            elif weight.ndim > 1:
                spread = (1 / weight[0].numel()) ** 0.5
                weight.copy_((torch.rand(weight.shape, generator=rng) * 2 - 1) * spread)


def fresh_generator(side: int, latent: int, width: int, rng: Generator) -> nn.Sequential:
    """Build a generator whose initial weights depend on `rng` only."""
    generator = build_generator(side, latent, width)
    start_from(generator, rng)
    return generator
