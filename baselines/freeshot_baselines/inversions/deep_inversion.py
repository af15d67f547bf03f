"""DeepInversion: pixel optimisation with total variation, norm, and the statistics of a public network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from freeshot import InversionMethod, Teacher

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from freeshot.engine.inversion.batchnorm_prior import StatisticsPrior
    from freeshot.engine.inversion.pixel_optimizer import Iterate


@dataclass(frozen=True)
class DeepInversion(InversionMethod):
    """Optimise noise into images that the LoRA classifies as given labels: smooth, small, with natural statistics.

    Re-implementation. A ViT has no batch norms, so the statistics are those of a public network or are omitted. The
    competition with a student by Jensen-Shannon divergence is omitted, because inversion and meta-learning are separate
    stages and there is no student during inversion. Norms are taken per image, so that results do not depend on the
    batch size.
    """

    name = "deep-inversion"
    citation = "Yin et al., Dreaming to Distill: Data-free Knowledge Transfer via DeepInversion, CVPR 2020"
    iterations: int = 2000
    """Optimiser steps. code: 2,000 or 20,000."""
    lr: float = 0.25
    """Learning rate of Adam, in normalised pixels. code: 0.25 for ImageNet."""
    betas: tuple[float, ...] = (0.5, 0.99)
    """Adam's decay rates; ours, as in LoRA Recycle's code."""
    schedule: Literal["constant", "cosine"] = "cosine"
    """Schedule of the learning rate: constant, or half a cosine down to zero; ours."""
    total_variation: float = 1e-4
    """Weight of the unsquared total variation of an image; the value of PURER's code."""
    l2: float = 1e-5
    """Weight of an image's norm; the value of PURER's code."""
    prior: Literal["none", "resnet50", "efficientnet-lite0"] = "resnet50"
    """Public network whose batch-norm statistics images should match; 'none' is strictly data-free."""
    prior_weights: str = ""
    """File with the weights of the prior, by path or by name in the weights folder; nothing is downloaded."""
    prior_weight: float = 0.01
    """Weight of the statistics. code: 0.01 for a ResNet-50."""
    prior_spread: Literal["std", "var"] = "var"
    """Second statistic that the prior compares, besides the mean. paper: σ²."""
    keep: Literal["last", "best"] = "best"
    """Return the last iterate, or for each image the one with the lowest cross-entropy; the released code intends the
    latter."""
    jitter: float = 0.125
    """Images are rolled by up to this share of their side at each step, a whole batch by the same offset."""
    flip: bool = True
    """Mirror all images in half of the steps."""

    @property
    def data_free(self) -> str:  # type: ignore[override]
        """'public prior' if the statistics of a public network are used, else 'strict'."""
        return "strict" if self.prior == "none" else "public prior"

    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        """Return images [n, 3, h, w] in 0…1."""
        from freeshot.engine.inversion.pixel_optimizer import PixelPlan

        prior = self._open_prior(teacher)
        plan = PixelPlan(self.iterations, self.lr, self.betas, self.schedule, self.keep, self.jitter, self.flip)
        return plan.optimized(teacher, labels, rng, partial(self.penalized, prior))

    def penalized(self, prior: StatisticsPrior | None, loss: Tensor, at: Iterate) -> Tensor:
        """Add α_tv·TV(x) + α_l2·‖x‖ of each image, and α_f·R_feature times the number of images."""
        from freeshot.engine.inversion.pixel_optimizer import lengths, variation_norm

        loss = loss + self.total_variation * variation_norm(at.pixels).sum() + self.l2 * lengths(at.pixels).sum()
        if prior is not None:
            loss = loss + self.prior_weight * prior.distance(at.images) * len(at.images)
        return loss

    def require_ready(self) -> None:
        """Require the weights of the prior."""
        from freeshot.engine.inversion.batchnorm_prior import require_prior

        require_prior(self, "statistics")

    def weight_files(self) -> tuple[str, ...]:
        """Return the prior's weight files, if there is a prior."""
        from freeshot.engine.inversion.batchnorm_prior import prior_files

        return prior_files(self)

    def _open_prior(self, teacher: Teacher) -> StatisticsPrior | None:
        if self.prior == "none":
            return None
        self.require_ready()
        from freeshot.engine.inversion.batchnorm_prior import open_prior

        return open_prior(self.prior, self.prior_weights, self.prior_spread, teacher.device)
