"""Mask and predict: a masked image is completed patch by patch.

Axes: n images, p patches, s patches per row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from freeshot import InversionMethod, Teacher
from freeshot.basics.errors import OptionError
from freeshot.ops.schedules import cosine
from freeshot_baselines.training_loop import descend

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class MaskAndPredict(InversionMethod):
    """Complete a masked image a few patches at a time, each time those with the largest gradient.

    Ours: not from a paper. Initially all patches are masked, i.e. equal to the normalisation's mean. In each round the
    patches with the largest cross-entropy gradient are unmasked and optimised, with a smoothness term that includes
    their neighbours; patches of earlier rounds are fixed and serve as context.
    """

    name = "mask-and-predict"
    citation = "ours; the idea of masked image modelling (He et al., Masked Autoencoders, CVPR 2022) without an encoder"
    rounds: int = 7
    """Rounds in which patches are unmasked, about equally many in each."""
    iterations: int = 60
    """Optimiser steps per round."""
    lr: float = 0.1
    """Initial learning rate of Adam in a round, in normalised pixels; it decays to zero along half a cosine."""
    patch: int = 4
    """Side of a patch in pixels; must divide the image's side."""
    total_variation: float = 100.0
    """Weight of the mean squared difference of neighbouring pixels, masked ones included."""
    jitter: float = 0.125
    """Images are rolled by up to this share of their side at each step, a whole batch by the same offset."""
    flip: bool = True
    """Mirror all images in half of the steps."""

    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        """Return images [n, 3, h, w] in 0…1."""
        import torch

        side = self._patches(teacher.image_size)
        order = torch.rand(len(labels), side**2, generator=rng).to(teacher.device)  # breaks ties
        pixels = torch.zeros(len(labels), 3, teacher.image_size, teacher.image_size, device=teacher.device)
        done = torch.zeros(len(labels), side**2, dtype=torch.bool, device=teacher.device)
        clock = iter(teacher.steps(self.rounds * self.iterations))
        for number in range(self.rounds):
            target = round((number + 1) * side**2 / self.rounds)
            fresh = next_patches(self._importance(teacher, pixels, labels), done, target, order)
            where = patch_mask(fresh, side, self.patch)  # [n, 1, h, w]
            noise = 0.1 * torch.randn(pixels.shape, generator=rng).to(teacher.device)  # small compared with the mask
            pixels = torch.where(where, noise, pixels)
            pixels = self._completed(teacher, pixels, where, labels, rng, islice(clock, self.iterations))
            done |= fresh
        return (pixels * teacher.std + teacher.mean).clamp(0, 1)

    def _completed(
        self, teacher: Teacher, pixels: Tensor, where: Tensor, labels: Tensor, rng: Generator, steps: Iterable[int]
    ) -> Tensor:
        """Optimise the newly unmasked patches only."""
        import torch
        from torch.nn.functional import cross_entropy

        from freeshot.engine.inversion.pixel_optimizer import jittered, total_variation

        low, high = -teacher.mean / teacher.std, (1 - teacher.mean) / teacher.std
        free = pixels.clone().requires_grad_()
        optimizer = torch.optim.Adam([free], lr=self.lr, betas=(0.5, 0.99))
        for number, step in enumerate(steps):
            optimizer.param_groups[0]["lr"] = self.lr * cosine(number, self.iterations)
            images = torch.where(where, free, pixels) * teacher.std + teacher.mean
            moved = jittered(images, rng, self.jitter, flip=self.flip)
            loss = cross_entropy(teacher.logits(moved), labels) + self.total_variation * total_variation(images)
            descend(optimizer, loss * len(labels), f"inversion '{self.name}'", step)
            with torch.no_grad():
                free.copy_(free.maximum(low).minimum(high))
        return torch.where(where, free.detach(), pixels).maximum(low).minimum(high)

    def _importance(self, teacher: Teacher, pixels: Tensor, labels: Tensor) -> Tensor:
        """Return the importance of each patch [n, p]: the mean square of the gradient of its pixels."""
        import torch
        from torch.nn.functional import avg_pool2d, cross_entropy

        inputs = pixels.clone().requires_grad_()
        logits = teacher.logits(inputs * teacher.std + teacher.mean)
        (slope,) = torch.autograd.grad(cross_entropy(logits, labels, reduction="sum"), inputs)
        return avg_pool2d(slope.square().sum(1, keepdim=True), self.patch).flatten(1)

    def _patches(self, size: int) -> int:
        if self.patch < 1 or size % self.patch:
            raise OptionError(
                f"Option 'patch' of 'mask-and-predict' is {self.patch}, which does not divide the image's side {size}. "
                "Choose a divisor."
            )
        return size // self.patch


def next_patches(importance: Tensor, done: Tensor, target: int, order: Tensor) -> Tensor:
    """Select the most important patches [n, p] not yet done, until `target` are done; ties are resolved by `order`."""
    import torch

    count = target - int(done[0].sum())
    turns = order.argsort(1)  # [n, p]
    open_ones = importance.gather(1, turns).masked_fill(done.gather(1, turns), float("-inf"))
    best = open_ones.argsort(dim=1, descending=True, stable=True)[:, :count]
    chosen = turns.gather(1, best)  # [n, count]
    return torch.zeros_like(done).scatter(1, chosen, value=True)


def patch_mask(chosen: Tensor, side: int, patch: int) -> Tensor:
    """Expand a selection of patches [n, p] to pixels: [n, 1, h, w]."""
    grid = chosen.view(-1, 1, side, side)
    return grid.repeat_interleave(patch, 2).repeat_interleave(patch, 3)
