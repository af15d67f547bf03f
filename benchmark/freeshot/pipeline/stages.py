"""The stages of a cell: load each from the cache or compute it, measured, stored, reported and charged."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from freeshot.cache.artifacts import Artifact
from freeshot.contracts.events import Progress, StageFinished, StageStarted
from freeshot.engine.metering.meter import metered
from freeshot.records.models import StageCost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import torch

    from freeshot.cache.artifacts import Artifacts
    from freeshot.cache.checkpoints import FileCheckpoint
    from freeshot.contracts.events import Event
    from freeshot.engine.metering.meter import Meter
    from freeshot.pipeline.resolve import PlannedCell

    Make = Callable[[Callable[[int, int], None], FileCheckpoint], Artifact]
    """Computes an artifact, reports progress and stores checkpoints; its cost is measured by the caller."""


@dataclass(eq=False)
class Stages:
    """Computes the stages of one cell and records their costs."""

    cell: PlannedCell
    artifacts: Artifacts
    device: torch.device
    emit: Callable[[Event], None] = lambda event: None
    costs: list[StageCost] = field(default_factory=list)
    _seconds: float = 0.0
    """Time of work done in this run that stages account for, and of waiting for other processes."""
    _flops: int = 0
    """Operations of work done in this run that stages account for."""

    def artifact(
        self, stage: str, recipe: Mapping[str, Any], make: Make, total: int, *, learns: bool = False
    ) -> Artifact:
        """Load a stage's artifact from the cache, or compute and store it; `learns` if its tensors are learned."""
        self.started(stage, total)
        artifact = self.stored(stage, recipe, make, lambda done, of: self.progress(stage, done, of))
        learned = sum(tensor.numel() for tensor in artifact.tensors.values()) if learns else None
        self.charge(stage, [artifact], artifact.facts, learned)
        return artifact

    def stored(self, stage: str, recipe: Mapping[str, Any], make: Make, report: Callable[[int, int], None]) -> Artifact:
        """Load a part of a stage, or compute, measure and store it; charges nothing."""
        artifact = self.artifacts.load(stage, recipe)
        if artifact is not None:
            return artifact
        began = time.perf_counter()
        with self.artifacts.lock(stage, recipe):
            self._seconds += time.perf_counter() - began  # waiting is not charged
            artifact = self.artifacts.load(stage, recipe)  # another process may have computed it meanwhile
            if artifact is not None:
                return artifact
            state = self.artifacts.checkpoint(stage, recipe)
            with metered(self.device) as state.meter:
                made = make(report, state)
            cost = state.meter
            self._seconds += cost.seconds - cost.earlier[0]
            self._flops += cost.flops - cost.earlier[1]
            artifact = Artifact(made.tensors, made.facts, cost.seconds, cost.peak_bytes, cost.flops, cost.joules)
            self.artifacts.save(stage, recipe, artifact)
            stored = self.artifacts.load(stage, recipe)  # mapped: it takes no memory until it is used
            return artifact if stored is None else replace(stored, cached=False)

    def charge(
        self, stage: str, artifacts: Sequence[Artifact], facts: Mapping[str, Any], learned: int | None = None
    ) -> None:
        """Record the cost of a stage as of when its artifacts were computed."""
        flops = _sum([artifact.flops for artifact in artifacts])
        cost = StageCost(
            stage=stage,
            seconds=sum(artifact.seconds for artifact in artifacts),
            peak_bytes=max(artifact.peak_bytes for artifact in artifacts),
            cached=all(artifact.cached for artifact in artifacts),
            flops=None if flops is None else round(flops),
            joules=_sum([artifact.joules for artifact in artifacts]),
            learned_weights=learned,
            facts=dict(facts),
        )
        self.costs.append(cost)
        self.emit(StageFinished(self.cell.title, stage, cost.seconds, cost.cached, id=self.cell.id))

    def charge_rest(self, preparation: Meter) -> None:
        """Record the cost of a method's preparation outside all stages."""
        rest = max(preparation.seconds - self._seconds, 0.0)
        self.costs.append(
            StageCost(
                stage="preparation",
                seconds=rest,
                peak_bytes=preparation.peak_bytes,
                flops=preparation.flops - self._flops,
            )
        )

    def started(self, stage: str, total: int) -> None:
        """Emit the start of a stage."""
        self.emit(StageStarted(self.cell.title, stage, total, id=self.cell.id))

    def progress(self, stage: str, done: int, total: int) -> None:
        """Emit the progress of a stage."""
        self.emit(Progress(self.cell.title, stage, done, total, id=self.cell.id))

    def within(self, stage: str, number: int, total: int) -> Callable[[int, int], None]:
        """Return a progress callback for the steps inside item `number` of `total`, called at most twice a second."""
        last = time.monotonic()

        def report(done: int, of: int) -> None:
            nonlocal last
            if time.monotonic() - last > 0.5:
                last = time.monotonic()
                self.progress(stage, number * of + done, total * of)

        return report


def _sum(values: Sequence[float | None]) -> float | None:
    """Sum the values; None if one is unknown."""
    numbers = [value for value in values if value is not None]
    return sum(numbers) if len(numbers) == len(values) else None
