"""The ledger of a cell: each stage is taken from the cache or made, metered, stored, told and charged."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from freeshot.contracts.events import Progress, StageFinished, StageStarted
from freeshot.contracts.records import StageCost
from freeshot.engine.meter import metered
from freeshot.run.artefacts import Artefact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import torch

    from freeshot.run.environment import Environment


@dataclass(eq=False)
class Stages:
    """What the stages of one cell cost, and how they come about."""

    _environment: Environment
    _title: str
    """Of the cell, for whoever listens."""
    _device: torch.device
    costs: list[StageCost] = field(default_factory=list)

    def artefact(
        self, stage: str, recipe: Mapping[str, Any], make: Callable[[Callable[[int, int], None]], Artefact], total: int
    ) -> Artefact:
        """Take a stage's artefact from the cache, or make, meter and store it."""
        self.started(stage, total)
        artefact, cached = self.stored(
            stage, recipe, lambda: make(lambda done, of: self.progress(stage, done, of)), meter=True
        )
        self.charge(stage, [(artefact, cached)], artefact.facts)
        return artefact

    def stored(
        self, stage: str, recipe: Mapping[str, Any], make: Callable[[], Artefact], *, meter: bool = False
    ) -> tuple[Artefact, bool]:
        """Return a part of a stage, and whether it was in the cache; nothing is charged yet."""
        kept = self._environment.artefacts.load(stage, recipe)
        if kept is not None:
            return kept, True
        with metered(self._device) as cost:
            artefact = make()
        if meter:
            artefact = Artefact(artefact.tensors, artefact.facts, cost.seconds, cost.peak_bytes)
        self._environment.artefacts.save(stage, recipe, artefact)
        return artefact, False

    def charge(self, stage: str, parts: Sequence[tuple[Artefact, bool]], facts: Mapping[str, Any]) -> None:
        """Write down what a stage cost when its parts were computed."""
        seconds = sum(artefact.seconds for artefact, _ in parts)
        peak = max(artefact.peak_bytes for artefact, _ in parts)
        cached = all(was_there for _, was_there in parts)
        self.costs.append(StageCost(stage=stage, seconds=seconds, peak_bytes=peak, cached=cached, facts=dict(facts)))
        self._environment.emit(StageFinished(self._title, stage, seconds, cached))

    def started(self, stage: str, total: int) -> None:
        """Tell that a stage begins."""
        self._environment.emit(StageStarted(self._title, stage, total))

    def progress(self, stage: str, done: int, total: int) -> None:
        """Tell how far a stage is."""
        self._environment.emit(Progress(self._title, stage, done, total))

    def within(self, stage: str, number: int, total: int) -> Callable[[int, int], None]:
        """Return what tells the steps inside of item `number` of `total`, at most twice a second."""
        last = time.monotonic()

        def report(done: int, of: int) -> None:
            nonlocal last
            if time.monotonic() - last > 0.5:
                last = time.monotonic()
                self.progress(stage, number * of + done, total * of)

        return report
