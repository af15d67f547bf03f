"""The stages of a cell: load each from the cache or compute it, measured, stored, reported and charged."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from freeshot.cache.artifacts import Artefact
from freeshot.contracts.events import Progress, StageFinished, StageStarted
from freeshot.engine.metering.meter import metered
from freeshot.records.models import StageCost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import torch

    from freeshot.cache.checkpoints import FileCheckpoint
    from freeshot.engine.metering.meter import Meter
    from freeshot.pipeline.context import RunContext

    Make = Callable[[Callable[[int, int], None], FileCheckpoint], Artefact]
    """Computes an artefact, reports progress and stores checkpoints; its cost is measured by the caller."""


@dataclass(eq=False)
class Stages:
    """Computes the stages of one cell and records their costs."""

    _environment: RunContext
    _title: str
    _cell: str
    """Name and hash of the cell, for events."""
    _device: torch.device
    costs: list[StageCost] = field(default_factory=list)
    _spent: tuple[float, int] = (0.0, 0)
    """Seconds and operations of work done in this run that stages account for, and seconds of waiting."""

    def artefact(
        self, stage: str, recipe: Mapping[str, Any], make: Make, total: int, *, learns: bool = False
    ) -> Artefact:
        """Load a stage's artefact from the cache, or compute and store it; `learns` if its tensors are learned."""
        self.started(stage, total)
        found = self.stored(stage, recipe, make, lambda done, of: self.progress(stage, done, of))
        assert found is not None
        artefact, cached = found
        learned = sum(tensor.numel() for tensor in artefact.tensors.values()) if learns else None
        self.charge(stage, [(artefact, cached)], artefact.facts, learned)
        return artefact

    def stored(
        self,
        stage: str,
        recipe: Mapping[str, Any],
        make: Make,
        tell: Callable[[int, int], None],
        *,
        wait: bool = True,
    ) -> tuple[Artefact, bool] | None:
        """Return a part of a stage, measured if it is computed, and whether it was cached; charges nothing.

        If another process has the lock it is waited for, or None is returned if `wait` is False.
        """
        from filelock import Timeout

        artefacts = self._environment.artefacts
        kept = artefacts.load(stage, recipe)
        if kept is not None:
            return kept, True
        begun = time.perf_counter()
        try:
            with artefacts.lock(stage, recipe).acquire(timeout=-1 if wait else 0):
                self._spent = (
                    self._spent[0] + time.perf_counter() - begun,
                    self._spent[1],
                )  # waiting is not charged
                kept = artefacts.load(stage, recipe)  # another process may have computed it meanwhile
                return (kept, True) if kept is not None else (self._made(stage, recipe, make, tell), False)
        except Timeout:
            return None

    def _made(self, stage: str, recipe: Mapping[str, Any], make: Make, tell: Callable[[int, int], None]) -> Artefact:
        """Compute, measure and store an artefact."""
        artefacts = self._environment.artefacts
        state = artefacts.checkpoint(stage, recipe)
        with metered(self._device) as state.meter:
            made = make(tell, state)
        cost = state.meter
        self._spent = (
            self._spent[0] + cost.seconds - cost.earlier[0],
            self._spent[1] + cost.flops - cost.earlier[1],
        )
        artefact = Artefact(made.tensors, made.facts, cost.seconds, cost.peak_bytes, cost.flops, cost.joules)
        artefacts.save(stage, recipe, artefact)
        return artefact

    def charge(
        self,
        stage: str,
        parts: Sequence[tuple[Artefact, bool]],
        facts: Mapping[str, Any],
        learned: int | None = None,
    ) -> None:
        """Record the cost of a stage as of when its parts were computed."""
        seconds = sum(artefact.seconds for artefact, _ in parts)
        peak = max(artefact.peak_bytes for artefact, _ in parts)
        flops = _sum([artefact.flops for artefact, _ in parts])
        joules = _sum([artefact.joules for artefact, _ in parts])
        cached = all(was_there for _, was_there in parts)
        self.costs.append(
            StageCost(
                stage=stage,
                seconds=seconds,
                peak_bytes=peak,
                cached=cached,
                flops=None if flops is None else round(flops),
                joules=joules,
                learned=learned,
                facts=dict(facts),
            )
        )
        self._environment.emit(StageFinished(self._title, stage, seconds, cached, id=self._cell))

    def charge_rest(self, whole: Meter) -> None:
        """Record the cost of a method's preparation outside all stages."""
        seconds, flops = self._spent
        rest = max(whole.seconds - seconds, 0.0)
        self.costs.append(
            StageCost(stage="preparation", seconds=rest, peak_bytes=whole.peak_bytes, flops=whole.flops - flops)
        )

    def started(self, stage: str, total: int) -> None:
        """Emit the start of a stage."""
        self._environment.emit(StageStarted(self._title, stage, total, id=self._cell))

    def progress(self, stage: str, done: int, total: int) -> None:
        """Emit the progress of a stage."""
        self._environment.emit(Progress(self._title, stage, done, total, id=self._cell))

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
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
