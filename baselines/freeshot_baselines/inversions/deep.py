"""DeepInversion: pixels, total variation, length, and the statistics of a public network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from freeshot import InversionMethod

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from freeshot import Teacher
    from freeshot.engine.pixels import Iterate
    from freeshot.engine.prior import StatisticsPrior


@dataclass(frozen=True)
class DeepInversion(InversionMethod):
    """Optimise noise towards images that the LoRA classifies as asked: smooth, small, with natural statistics.

    Re-implementation. A ViT has no batch norms, so the statistics are those of a public ResNet-50 or of
    none. The competition with a student by Jensen-Shannon divergence is left out: here inversion and
    meta-learning are stages of their own, and no student exists yet. Norms are taken per image, so that
    the batch size does not matter.
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
    """How the learning rate goes: not at all, or down half a cosine to zero; ours."""
    total_variation: float = 1e-4
    """Weight of the unsquared total variation of an image; the value of PURER's code."""
    l2: float = 1e-5
    """Weight of an image's length; the value of PURER's code."""
    prior: Literal["none", "resnet50"] = "resnet50"
    """Public network whose batch-norm statistics images should have; 'none' is strictly data-free."""
    prior_weights: str = ""
    """File with the weights of an ImageNet ResNet-50 (safetensors or a plain state dict); nothing is downloaded."""
    prior_weight: float = 0.01
    """Weight of the statistics. code: 0.01 for a ResNet-50."""
    spread: Literal["std", "var"] = "var"
    """What the statistics compare beside the mean. paper: σ²."""
    keep: Literal["last", "best"] = "best"
    """Return the last iterate, or of each image the one its LoRA was surest of; the released code means the best."""
    jitter: float = 0.125
    """Images are rolled by up to this share of their side at each step, all of a batch alike."""
    flip: bool = True
    """Half of the steps look at all images mirrored."""

    @property
    def data_free(self) -> str:  # type: ignore[override]
        """Say 'public prior' where a public network's statistics are used."""
        return "strict" if self.prior == "none" else "public prior"

    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        """Return images [n, 3, h, w] in 0…1."""
        from freeshot.engine.pixels import PixelPlan

        prior = self._open_prior(teacher)
        plan = PixelPlan(self.iterations, self.lr, self.betas, self.schedule, self.keep, self.jitter, self.flip)
        return plan.optimized(teacher, labels, rng, partial(self.penalized, prior))

    def penalized(self, prior: StatisticsPrior | None, loss: Tensor, at: Iterate) -> Tensor:
        """Add α_tv·TV(x) + α_l2·‖x‖ of each image, and α_f·R_feature times the number of images."""
        from freeshot.engine.pixels import lengths, variation_norm

        loss = loss + self.total_variation * variation_norm(at.pixels).sum() + self.l2 * lengths(at.pixels).sum()
        if prior is not None:
            loss = loss + self.prior_weight * prior.distance(at.images) * len(at.images)
        return loss

    def require_ready(self) -> None:
        """Ask for the weights of the statistics."""
        from freeshot.engine.prior import require_prior

        require_prior(self, "statistics")

    def files(self) -> tuple[str, ...]:
        """Name the prior's weights, where there is a prior."""
        from freeshot.engine.prior import prior_files

        return prior_files(self)

    def beside(self, side: int) -> float:
        """Count the prior, where there is one."""
        from freeshot.engine.prior import operations

        return 0.0 if self.prior == "none" else operations(side)

    def _open_prior(self, teacher: Teacher) -> StatisticsPrior | None:
        if self.prior == "none":
            return None
        self.require_ready()
        from freeshot.engine.prior import open_prior

        return open_prior(self.prior_weights, self.spread, teacher.device)
