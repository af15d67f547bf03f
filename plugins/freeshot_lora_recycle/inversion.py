"""LoRA inversion: optimise pixels until the LoRA classifies them with confidence.

Axes: n images, 3 channels, h × w pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from freeshot import InversionMethod

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from freeshot import Teacher
    from freeshot.engine.inversion.batchnorm_prior import StatisticsPrior
    from freeshot.engine.inversion.pixel_optimizer import Iterate, PixelPlan


@dataclass(frozen=True)
class LoraInversion(InversionMethod):
    """Optimise noise into images with natural statistics that the LoRA classifies as given labels (Eq. 1-2)."""

    name = "lora-inversion"
    citation = "Hu et al., LoRA Recycle, CVPR 2025; Yin et al., Dreaming to Distill (DeepInversion), CVPR 2020"
    iterations: int = 2000
    """Optimiser steps."""
    lr: float = 0.25
    """Learning rate of Adam, in normalised pixels."""
    betas: tuple[float, ...] = (0.5, 0.99)
    """Adam's decay rates. code: (0.5, 0.99); the paper is silent."""
    prior: Literal["none", "resnet50"] = "resnet50"
    """Public network whose batch-norm statistics images should match; 'none' is strictly data-free."""
    prior_weights: str = ""
    """File with the weights of an ImageNet ResNet-50 (safetensors or a plain state dict); nothing is downloaded."""
    prior_weight: float = 0.01
    """Weight of the prior, α_R in the paper."""
    prior_spread: Literal["std", "var"] = "std"
    """Second statistic that the prior compares, besides the mean. paper: σ; code: σ²."""
    total_variation: float = 0.0
    """Weight of the mean squared difference of neighbouring pixels. paper: none."""
    l2: float = 0.0
    """Weight of the mean squared pixel, in normalised space. paper: none."""
    prior_every: int = 1
    """The prior is applied every so many steps; its weight is scaled up accordingly, so that its total effect stays."""
    keep: Literal["last", "best"] = "last"
    """Return the last iterate, as the paper's code in fact does, or for each image the one with the lowest
    cross-entropy."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Schedule of the learning rate: constant, as in the paper, or half a cosine down to zero."""
    jitter: float = 0.125
    """Images are rolled by up to this share of their side at each step, a whole batch by the same offset."""
    flip: bool = True
    """Mirror all images in half of the steps."""

    @property
    def data_free(self) -> str:  # type: ignore[override]
        """'public prior' if the statistics of a public network are used, else 'strict'."""
        return "strict" if self.prior == "none" else "public prior"

    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        """Return images [n, 3, h, w] in 0…1; `keep` selects the iterate."""
        prior = self._open_prior(teacher)
        return self._plan().optimized(teacher, labels, rng, partial(self._penalized, prior))

    def _plan(self) -> PixelPlan:
        from freeshot.engine.inversion.pixel_optimizer import PixelPlan

        return PixelPlan(self.iterations, self.lr, self.betas, self.schedule, self.keep, self.jitter, self.flip)

    def _penalized(self, prior: StatisticsPrior | None, loss: Tensor, at: Iterate) -> Tensor:
        """Add the regularisers of natural images; all terms are means over images, scaled like the cross-entropy."""
        from freeshot.engine.inversion.pixel_optimizer import total_variation

        count = len(at.images)
        if prior is not None and at.step % self.prior_every == 0:
            loss = loss + self.prior_every * self.prior_weight * prior.distance(at.images) * count
        if self.l2:
            loss = loss + self.l2 * at.pixels.square().mean() * count
        if self.total_variation:
            loss = loss + self.total_variation * total_variation(at.images) * count
        return loss

    def require_ready(self) -> None:
        """Require the weights of the prior."""
        from freeshot.engine.inversion.batchnorm_prior import require_prior

        require_prior(self, "prior")

    def weight_files(self) -> tuple[str, ...]:
        """Return the prior's weight files, if there is a prior."""
        from freeshot.engine.inversion.batchnorm_prior import prior_files

        return prior_files(self)

    def _open_prior(self, teacher: Teacher) -> StatisticsPrior | None:
        if self.prior == "none":
            return None
        self.require_ready()
        from freeshot.engine.inversion.batchnorm_prior import open_prior

        return open_prior(self.prior_weights, self.prior_spread, teacher.device)
