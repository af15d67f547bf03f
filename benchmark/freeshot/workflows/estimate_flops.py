"""Cost forecast of a data-free method on a pool: passes and operations counted, seconds from one measured step."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from freeshot.basics.errors import MissingPoolError
from freeshot.contracts.pool import LoraEntry, LoraPool
from freeshot.engine.inversion.mask_only import only_masks
from freeshot.engine.inversion.teacher import BankTeacher
from freeshot.engine.lora.bank import LoraBank, slots_of
from freeshot.engine.metering.flops import flops_of
from freeshot.engine.vit.forward import forward
from freeshot.pipeline.inversion import batches_of
from freeshot.pipeline.resolve import own_parts

if TYPE_CHECKING:
    from torch import Tensor

    from freeshot.contracts.pool import PoolPlan
    from freeshot.contracts.tracks import Track
    from freeshot.engine.vit.backbone import Backbone
    from freeshot.pipeline.context import RunContext
    from freeshot.records.models import RunSpec


@dataclass(frozen=True)
class StageForecast:
    """Forecast of one stage."""

    stage: str
    what: str
    """'2,400 images × 50 steps'."""
    operations: float
    """Floating-point operations, forward and backward."""
    seconds: float


@dataclass(frozen=True)
class Forecast:
    """All stages of known size."""

    stages: tuple[StageForecast, ...]
    forward: float = 0.0
    """Operations of one forward pass, per image."""

    @property
    def seconds(self) -> float:
        """Seconds of all stages."""
        return sum(stage.seconds for stage in self.stages)


def forecast(
    environment: RunContext, spec: RunSpec, track: Track, backbone: Backbone, *, timed: bool = True
) -> Forecast:
    """Count the stages of a method that inverts and meta-learns, from its options `per_class` and `iterations`.

    A component without these options is left out, because its duration is unknown. Cached work is included. A pool that
    has not been built is counted by its recipe. Without `timed` no step is run and all seconds are 0.
    """
    parts = own_parts(spec)
    if "inversion" not in parts or "per_class" not in spec.method.options:
        return Forecast(())
    pool = pool_ahead(environment, track, backbone)
    strategy: Any = environment.component(parts["efficiency"]) if "efficiency" in parts else None
    per_class = int(spec.method.options["per_class"])
    entry = pool.entries[0]
    teacher = BankTeacher(backbone, [entry], strategy)
    way = len(entry.classes)
    batch = way * batches_of(per_class, way, int(spec.method.options.get("batch", 0)))[0]
    seconds = _seconds_per_image(teacher, batch) if timed else 0.0
    bank = LoraBank.of([entry], next(backbone.vit.parameters()))
    acting = None if strategy is None or only_masks(backbone.vit, strategy) else strategy
    operations = environment.once(
        (*_place(backbone), "inverting", entry.rank, tuple(entry.factors), acting),
        lambda: flops_of(backbone, bank, strategy=acting).executed,
    )
    step = _Step(operations, seconds)
    kept = environment.once((*_place(backbone), "kept", strategy), lambda: _kept(teacher))
    stages = (
        _inversion(environment, spec, backbone, pool, step),
        _meta_learning(environment, spec, track, backbone, kept, step),
    )
    return Forecast(tuple(filter(None, stages)), operations / 2)  # backward costs about as much as forward


@dataclass(frozen=True)
class _Step:
    """Cost of one forward and backward pass through a LoRA, per image."""

    operations: float
    seconds: float


def _inversion(
    environment: RunContext, spec: RunSpec, backbone: Backbone, pool: LoraPool, step: _Step
) -> StageForecast | None:
    """Count the images of all LoRAs in each step; None if the number of steps is unknown."""
    part = own_parts(spec)["inversion"]
    if (steps := part.options.get("iterations")) is None:
        return None
    images = sum(int(spec.method.options["per_class"]) * len(entry.classes) for entry in pool.entries)
    passes = images * int(steps)
    what = f"{len(pool)} LoRAs, {images:,} images × {int(steps):,} steps"
    operations = step.operations + environment.component(part).beside(backbone.image_size)
    return StageForecast("inversion", what, passes * operations, passes * step.seconds)


def _meta_learning(
    environment: RunContext, spec: RunSpec, track: Track, backbone: Backbone, kept: Tensor | None, step: _Step
) -> StageForecast | None:
    """Count the images of all tasks, on `kept` patches; None if the number of tasks is unknown."""
    part = own_parts(spec).get("meta-learner")
    if part is None or (tasks := part.options.get("iterations")) is None:
        return None
    targets = tuple(spec.method.options.get("targets", ("q", "v")))
    shared = LoraBank.fresh(backbone.vit, slots_of(backbone.vit, targets), 1, 1, torch.Generator())
    operations = environment.once(
        (*_place(backbone), "learning", targets, None if kept is None else kept.shape[1]),
        lambda: flops_of(backbone, shared.to(backbone.device), kept).executed,
    )
    images = track.way * (track.shot + min(track.query, int(spec.method.options["per_class"]) - track.shot))
    passes = images * int(tasks)
    patches = "" if kept is None else f", {kept.shape[1]} patches each"
    what = f"{int(tasks):,} tasks of {images} images{patches}"
    seconds = passes * step.seconds * operations / step.operations
    return StageForecast("meta-learning", what, passes * operations, seconds)


def _place(backbone: Backbone) -> tuple[str, str]:
    """Return the parts of a count's key that identify backbone and device."""
    return backbone.sha256, str(backbone.device)


def _seconds_per_image(teacher: BankTeacher, batch: int) -> float:
    """Run two steps on grey images, and time the second."""
    side = teacher.image_size
    images = torch.full((batch, 3, side, side), 0.5, device=teacher.device, requires_grad=True)
    seconds = 0.0
    for step in range(2):
        start = time.perf_counter()
        for _ in teacher.steps(1):
            teacher.logits(images).sum().backward()  # type: ignore[no-untyped-call]
        if teacher.device.type == "cuda":
            torch.cuda.synchronize(teacher.device)
        seconds = time.perf_counter() - start if step else 0.0
    return seconds / batch


def _kept(teacher: BankTeacher) -> Tensor | None:
    """Return the patches of a grey image in the final mask: [1, k]."""
    side = teacher.image_size
    with torch.no_grad():
        return teacher.final_patches(torch.full((1, 3, side, side), 0.5, device=teacher.device))


def pool_ahead(environment: RunContext, track: Track, backbone: Backbone) -> LoraPool:
    """Return a track's pool, or a placeholder with its recipe's sizes if it has not been built."""
    try:
        return environment.pool(track.pool, backbone)
    except MissingPoolError:
        plan = environment.catalogue.pool_plans()[track.pool.partition("+")[0]]
        return environment.once((backbone.sha256, plan), lambda: _planned(plan, backbone))


def _planned(plan: PoolPlan, backbone: Backbone) -> LoraPool:
    """Create a placeholder pool of zero LoRAs with the sizes of a recipe."""
    slots = slots_of(backbone.vit, plan.targets)
    factors = LoraBank.fresh(backbone.vit, slots, plan.rank, 1, torch.Generator()).entry_factors(0)
    side = backbone.image_size
    with torch.no_grad():
        width = forward(backbone, torch.zeros(1, 3, side, side, device=backbone.device)).features.shape[1]
    classes = tuple(map(str, range(plan.way)))
    entries = tuple(
        LoraEntry(f"lora-{n:03d}", plan.rank, factors, torch.zeros(plan.way, width), torch.zeros(plan.way), classes,
                  tuple(range(plan.way)))
        for n in range(plan.count)
    )  # fmt: skip
    return LoraPool(plan.name, Path(), plan.backbone, backbone.sha256, entries, "planned")
