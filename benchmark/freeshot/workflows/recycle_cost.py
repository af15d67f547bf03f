"""Duration of a recycling before it starts: measured passes, multiplied by the number of images and steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from freeshot.basics.files import fingerprint
from freeshot.basics.seeds import stream
from freeshot.contracts.inversion import LearnedInversion
from freeshot.contracts.meta_learner import GradientMetaLearner
from freeshot.contracts.method import Needs
from freeshot.engine.inversion.batchnorm_prior import open_prior
from freeshot.engine.inversion.mask_only import only_masks
from freeshot.engine.inversion.teacher import BankTeacher
from freeshot.engine.lora.meta_model import SharedLora
from freeshot.engine.metering.pace import seconds_per_image
from freeshot.pipeline.pool_inversion import STAGE, PoolInversion, inverts

if TYPE_CHECKING:
    from torch import Tensor

    from freeshot.contracts.pool import LoraPool
    from freeshot.pipeline.context import RunContext
    from freeshot.pipeline.resolve import PlannedCell

LEARNING = "meta-learning"


@dataclass(frozen=True)
class RecycleCost:
    """Estimated seconds of each stage on this machine."""

    stages: Mapping[str, float]
    cached: float = 0.0
    """Share of the inversion that is in the cache, 0…1, and not counted."""

    @property
    def seconds(self) -> float:
        """Duration of all stages."""
        return sum(self.stages.values())


@dataclass(eq=False)
class CostMeter:
    """Estimates cells on one pool; passes that several cells share are measured once."""

    context: RunContext
    pool: LoraPool
    _paces: dict[str, float] = field(default_factory=dict)

    def estimate(self, cell: PlannedCell) -> RecycleCost | None:
        """Return the cost of a cell, or None if its components take steps that cannot be counted in advance."""
        if not inverts(cell) or Needs.POOL not in cell.needs:
            return None
        components = {kind: self.context.component(cell.spec.components[kind]) for kind in ("inversion", "learner")}
        inversion, learner = components["inversion"], components["learner"]
        if isinstance(inversion, LearnedInversion) or not isinstance(learner, GradientMetaLearner):
            return None
        steps = getattr(inversion, "iterations", None)
        if steps is None:
            return None
        planned = PoolInversion.planned(self.context, cell, self.pool)
        done, total = planned.cached_counts(STAGE, self.context.artifacts)
        per_class = planned.per_class
        images = sum(len(entry.classes) for entry in self.pool) * per_class
        track = cell.track
        shown = track.way * (track.shot + max(1, min(track.query, per_class - track.shot)))
        left = 1 - done / total
        inverting = left * images * steps * self._inversion_pace(cell, planned) if left else 0.0
        passes = 1 + int(getattr(learner, "inner_steps", 0))  # of a learner that also adapts within each task
        learning = learner.iterations * passes * shown * self._learning_pace(cell, planned)
        return RecycleCost({STAGE: inverting, LEARNING: learning}, done / total)

    def _inversion_pace(self, cell: PlannedCell, planned: PoolInversion) -> float:
        """Return the seconds per image and step of the inversion."""
        backbone, strategy = planned.backbone, planned.strategy
        masked_later = only_masks(backbone.vit, strategy)
        teacher = BankTeacher(backbone, [self.pool[0]], None if masked_later else strategy)
        key = fingerprint(["inversion", "" if masked_later else cell.spec.components["strategy"].recipe()])
        return self._pace(key, lambda images: teacher.logits(images).sum(), planned) + self._prior_pace(planned)

    def _prior_pace(self, planned: PoolInversion) -> float:
        """Return the seconds per image and step of the inversion's prior, if it has one."""
        options: Any = planned.inversion
        if getattr(options, "prior", "none") == "none":
            return 0.0
        name, file, spread = options.prior, options.prior_weights, getattr(options, "prior_spread", "std")
        size = getattr(options, "prior_size", 0)
        prior = open_prior(name, file, spread, planned.backbone.device, size)
        every = getattr(options, "prior_every", 1)
        return self._pace(fingerprint(["prior", name, file, size]), prior.distance, planned) / every

    def _learning_pace(self, cell: PlannedCell, planned: PoolInversion) -> float:
        """Return the seconds per image of meta-learning, on the patches that the strategy keeps."""
        backbone, options = planned.backbone, cell.spec.method.options
        rank, targets = int(options["rank"]), tuple(options["targets"])
        side = backbone.image_size
        teacher = BankTeacher(backbone, [self.pool[0]], planned.strategy)
        with torch.no_grad():
            kept = teacher.final_patches(torch.rand(1, 3, side, side, device=backbone.device))  # [1, k]
        model = SharedLora(backbone, rank, stream(0, "pace"), targets)

        def loss(images: Tensor) -> Tensor:
            return model.embed(images.detach(), None if kept is None else kept.expand(len(images), -1)).sum()

        return self._pace(fingerprint(["learning", rank, targets, kept is None or kept.shape[1]]), loss, planned)

    def _pace(self, key: str, loss: Callable[[Tensor], Tensor], planned: PoolInversion) -> float:
        if key not in self._paces:
            self._paces[key] = seconds_per_image(loss, planned.backbone.image_size, planned.backbone.device)
        return self._paces[key]
