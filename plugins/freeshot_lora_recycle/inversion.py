"""LoRA inversion: optimise pixels until the LoRA is sure of them.

Axes: n images, 3 channels, h × w pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from freeshot import InversionMethod, added
from freeshot.basics.errors import DivergedError, OptionError

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from freeshot import Teacher
    from freeshot_lora_recycle.prior import StatisticsPrior


@dataclass(frozen=True)
class LoraInversion(InversionMethod):
    """Optimise noise towards images that the LoRA classifies as asked and that look natural in statistics (Eq. 1-2)."""

    name = "lora-inversion"
    citation = "Hu et al., LoRA Recycle, CVPR 2025; Yin et al., Dreaming to Distill (DeepInversion), CVPR 2020"
    iterations: int = 2000
    """Optimiser steps."""
    lr: float = 0.25
    """Learning rate of Adam, in normalised pixels."""
    betas: tuple[float, ...] = (0.5, 0.99)
    """Adam's decay rates. code: (0.5, 0.99); the paper is silent."""
    prior: Literal["none", "resnet50"] = "resnet50"
    """Public network whose batch-norm statistics images should have; 'none' is strictly data-free."""
    prior_weights: str = ""
    """File with the weights of an ImageNet ResNet-50 (safetensors or a plain state dict); nothing is downloaded."""
    prior_weight: float = 0.01
    """Weight of the prior, α_R in the paper."""
    spread: Literal["std", "var"] = "std"
    """What the prior compares beside the mean. paper: σ; code: σ²."""
    total_variation: float = 0.0
    """Weight of the mean squared difference of neighbouring pixels. paper: none."""
    l2: float = added(0.0)
    """Weight of the mean squared pixel, in normalised space. paper: none."""
    prior_every: int = added(1)
    """The prior is asked at every so many steps; its weight grows alike, so that its pull in the long run stays."""
    keep: Literal["last", "best"] = added("last")
    """Return the last iterate, as the paper's code in fact does, or of each image the one its LoRA was surest of."""
    schedule: Literal["constant", "cosine"] = added("constant")
    """How the learning rate goes: not at all, as in the paper, or down half a cosine to zero."""
    bf16: bool = added(False)
    """Ask the LoRA in bfloat16 where that is safe (autocast); pixels and prior stay in full precision."""
    jitter: float = 0.125
    """Images are rolled by up to this share of their side at each step, all of a batch alike."""
    flip: bool = True
    """Half of the steps look at all images mirrored."""

    @property
    def data_free(self) -> str:  # type: ignore[override]
        """Say 'public prior' where a public network's statistics are used."""
        return "strict" if self.prior == "none" else "public prior"

    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        """Return images [n, 3, h, w] in 0…1; the last iterate, as the released code in fact does."""
        import torch
        from torch.nn.functional import cross_entropy

        from freeshot.basics.resume import restore, snapshot

        prior = self._open_prior(teacher)
        side = teacher.image_size
        low, high = -teacher.mean / teacher.std, (1 - teacher.mean) / teacher.std  # [1, 3, 1, 1]
        start = torch.randn(len(labels), 3, side, side, generator=rng)
        pixels = start.to(teacher.device).requires_grad_()
        optimizer = torch.optim.Adam([pixels], lr=self.lr, betas=(self.betas[0], self.betas[1]))
        best = Best(pixels) if self.keep == "best" else Last()
        begin = restore(teacher.checkpoint.load(), [pixels, *best.state], optimizer, rng)
        for step in teacher.steps(self.iterations, begin):
            optimizer.param_groups[0]["lr"] = self.rate(step)
            images = self._jittered(teacher, pixels * teacher.std + teacher.mean, rng)
            with torch.autocast(teacher.device.type, torch.bfloat16, enabled=self.bf16):
                logits = teacher.logits(images)
            logits = logits.to(images)
            best.see(pixels, logits.detach(), labels)
            loss = cross_entropy(logits, labels) * len(labels)
            if prior is not None and step % self.prior_every == 0:
                loss = loss + self.prior_every * self.prior_weight * prior.distance(images) * len(labels)
            if self.l2:
                loss = loss + self.l2 * pixels.square().mean() * len(labels)
            if self.total_variation:
                loss = loss + self.total_variation * total_variation(images) * len(labels)
            if not torch.isfinite(loss):
                raise DivergedError(f"The inversion loss is {loss.item()} at step {step}. Lower the inversion's lr.")
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            with torch.no_grad():
                pixels.copy_(pixels.maximum(low).minimum(high))
            teacher.checkpoint.offer(lambda done=step + 1: snapshot(done, [pixels, *best.state], optimizer, rng))  # type: ignore[misc]
        return (best.of(pixels.detach()) * teacher.std + teacher.mean).clamp(0, 1)

    def rate(self, step: int) -> float:
        """Return the learning rate at a step."""
        if self.schedule == "constant":
            return self.lr
        return self.lr * (1 + math.cos(math.pi * step / self.iterations)) / 2

    def _jittered(self, teacher: Teacher, images: Tensor, rng: Generator) -> Tensor:
        """Roll, and perhaps mirror, all images alike: the network must not care."""
        import torch

        reach = int(images.shape[-1] * self.jitter)
        down, right = (int(torch.randint(-reach, reach + 1, (), generator=rng)) for _ in range(2))
        mirrored = self.flip and bool(torch.rand((), generator=rng) < 0.5)
        return teacher.moved(images, down, right, mirrored=mirrored)

    def _open_prior(self, teacher: Teacher) -> StatisticsPrior | None:
        if self.prior == "none":
            return None
        if not self.prior_weights:
            raise OptionError(
                "Inversion 'lora-inversion' needs the weights of a ResNet-50 for its prior. Give a file with "
                "-o inversion.prior_weights=FILE, or be strictly data-free with -o inversion.prior=none."
            )
        from freeshot_lora_recycle.prior import open_prior

        return open_prior(self.prior_weights, self.spread, teacher.device)


class Last:
    """Keep nothing but the last iterate."""

    state: tuple[Tensor, ...] = ()

    def see(self, pixels: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Pass an iterate by."""

    def of(self, last: Tensor) -> Tensor:
        """Return the last."""
        return last


class Best(Last):
    """Keep a copy of each image [n, 3, h, w] as it was when its cross-entropy was lowest."""

    def __init__(self, like: Tensor) -> None:
        self.pixels = like.detach().clone()
        self.losses = like.new_full((len(like),), float("inf"))
        self.state = (self.pixels, self.losses)

    def see(self, pixels: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Copy the images that are better than they were."""
        from torch.nn.functional import cross_entropy

        losses = cross_entropy(logits, labels, reduction="none")
        better = losses < self.losses
        self.pixels[better] = pixels.detach()[better]
        self.losses[better] = losses[better]

    def of(self, last: Tensor) -> Tensor:
        """Return the best; the last iterate was never judged."""
        return self.pixels


def total_variation(images: Tensor) -> Tensor:
    """Return the mean squared difference between neighbouring pixels of images [n, 3, h, w]: a scalar."""
    down = (images[:, :, 1:] - images[:, :, :-1]).square().mean()
    right = (images[..., 1:] - images[..., :-1]).square().mean()
    return down + right
