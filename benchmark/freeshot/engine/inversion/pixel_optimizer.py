"""Pixel-wise image optimisation until LoRAs classify the images with confidence: the loop and regularisers.

Axes: n images, 3 channels, h × w pixels. Pixels are optimised in the network's normalised space.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy

from freeshot.basics.errors import DivergedError
from freeshot.contracts.inversion import Teacher
from freeshot.ops.optimizer_state import restore, snapshot
from freeshot.ops.schedules import cosine


def require_finite(loss: Tensor, step: int) -> None:
    """Raise DivergedError if an inversion's loss is infinite or NaN."""
    if not torch.isfinite(loss):
        raise DivergedError(f"The inversion loss is {loss.item()} at step {step}. Lower the inversion's lr.")


@dataclass(frozen=True, eq=False)
class Iterate:
    """The state of an optimisation when its loss is computed."""

    images: Tensor
    """[n, 3, h, w] in 0…1, jittered, the input of the LoRA."""
    pixels: Tensor
    """[n, 3, h, w], normalised, without jitter."""
    step: int


Penalty = Callable[["Tensor", Iterate], "Tensor"]
"""(loss, iterate) → loss with further terms. The loss is a sum over images, so multiply terms that are means by n."""


@dataclass(frozen=True)
class PixelPlan:
    """Settings of the pixel optimisation."""

    iterations: int
    lr: float
    betas: tuple[float, ...]
    schedule: Literal["constant", "cosine"]
    keep: Literal["last", "best"]
    jitter: float
    """Images are rolled by up to this share of their side at each step, all by the same offset."""
    flip: bool
    """Mirror all images in half of the steps."""

    def rate(self, step: int) -> float:
        """Return the learning rate at a step."""
        return self.lr if self.schedule == "constant" else self.lr * cosine(step, self.iterations)

    def optimized(self, teacher: Teacher, labels: Tensor, rng: Generator, penalty: Penalty) -> Tensor:
        """Optimise noise into images [n, 3, h, w] in 0…1 with a small cross-entropy plus `penalty`."""
        side = teacher.image_size
        low, high = -teacher.mean / teacher.std, (1 - teacher.mean) / teacher.std  # [1, 3, 1, 1]
        start = torch.randn(len(labels), 3, side, side, generator=rng)  # [n, 3, h, w]
        pixels = start.to(teacher.device).requires_grad_()
        optimizer = torch.optim.Adam([pixels], lr=self.lr, betas=(self.betas[0], self.betas[1]))
        best = BestIterates(pixels) if self.keep == "best" else None
        state = [pixels] if best is None else [pixels, best.pixels, best.losses]
        begin = restore(teacher.checkpoint.load(), state, optimizer, rng)
        for step in teacher.steps(self.iterations, begin):
            optimizer.param_groups[0]["lr"] = self.rate(step)
            images = jittered(pixels * teacher.std + teacher.mean, rng, self.jitter, flip=self.flip)  # [n, 3, h, w]
            logits = teacher.logits(images)  # [n, c]
            if best is not None:
                best.update(pixels, logits.detach(), labels)
            loss = penalty(cross_entropy(logits, labels) * len(labels), Iterate(images, pixels, step))
            require_finite(loss, step)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            with torch.no_grad():
                pixels.copy_(pixels.maximum(low).minimum(high))
            teacher.checkpoint.offer(lambda done=step + 1: snapshot(done, state, optimizer, rng))  # type: ignore[misc]
        chosen = pixels.detach() if best is None else best.pixels  # [n, 3, h, w]
        return (chosen * teacher.std + teacher.mean).clamp(0, 1)


def jittered(images: Tensor, rng: Generator, share: float, *, flip: bool) -> Tensor:
    """Roll images [n, 3, h, w] by a random offset up to a share of their side, mirror them at random, all equally."""
    reach = int(images.shape[-1] * share)
    down, right = (int(torch.randint(-reach, reach + 1, (), generator=rng)) for _ in range(2))
    mirrored = flip and bool(torch.rand((), generator=rng) < 0.5)
    images = images.roll((down, right), dims=(2, 3))
    return images.flip(-1) if mirrored else images


class BestIterates:
    """For each image [n, 3, h, w] the iterate with its lowest cross-entropy; the final iterate is never scored."""

    def __init__(self, like: Tensor) -> None:
        self.pixels = like.detach().clone()
        self.losses = like.new_full((len(like),), float("inf"))  # [n]

    def update(self, pixels: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Copy the images whose loss is lower than before."""
        losses = cross_entropy(logits, labels, reduction="none")  # [n]
        better = losses < self.losses  # [n]
        self.pixels[better] = pixels.detach()[better]
        self.losses[better] = losses[better]


def total_variation(images: Tensor) -> Tensor:
    """Return the mean squared difference between neighbouring pixels of images [n, 3, h, w]: a scalar."""
    down = (images[:, :, 1:] - images[:, :, :-1]).square().mean()
    right = (images[..., 1:] - images[..., :-1]).square().mean()
    return down + right


def variation_norm(images: Tensor) -> Tensor:
    """Return the sum of the norms of all differences between neighbours, including diagonals, per image: [n].

    DeepInversion's total variation: not squared, so that few large edges cost less than many small ones.
    """
    differences = (
        images[..., 1:] - images[..., :-1],
        images[:, :, 1:] - images[:, :, :-1],
        images[:, :, 1:, 1:] - images[:, :, :-1, :-1],
        images[:, :, 1:, :-1] - images[:, :, :-1, 1:],
    )
    return torch.stack([lengths(difference) for difference in differences]).sum(0)  # [4, n] → [n]


def lengths(images: Tensor) -> Tensor:
    """Return the Euclidean norm of each image [n, ..]: [n]."""
    return (images.flatten(1).square().sum(1) + 1e-12).sqrt()  # the square root has no gradient at zero
