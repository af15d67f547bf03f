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

    from freeshot.engine.meter import Meter
    from freeshot.run.checkpoints import FileCheckpoint
    from freeshot.run.environment import Environment

    Make = Callable[[Callable[[int, int], None], FileCheckpoint], Artefact]
    """Computes an artefact, telling progress and keeping its state; what it costs is measured from outside."""


@dataclass(eq=False)
class Stages:
    """What the stages of one cell cost, and how they come about."""

    _environment: Environment
    _title: str
    _cell: str
    """Name and hash of the cell, for whoever listens."""
    _device: torch.device
    costs: list[StageCost] = field(default_factory=list)
    _spent: tuple[float, int] = (0.0, 0)
    """Seconds and operations of what was made here and now, which stages account for, and seconds of waiting."""

    def artefact(
        self, stage: str, recipe: Mapping[str, Any], make: Make, total: int, *, learns: bool = False
    ) -> Artefact:
        """Take a stage's artefact from the cache, or make and store it; `learns` where its tensors are learned."""
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
        """Return a part of a stage, metered if it is made, and whether it was in the cache; nothing is charged yet.

        What another process is making is waited for, or, without `wait`, left to it: None.
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
                )  # what waited, cost nothing
                kept = artefacts.load(stage, recipe)  # somebody may have made it while we waited
                return (kept, True) if kept is not None else (self._made(stage, recipe, make, tell), False)
        except Timeout:
            return None

    def _made(self, stage: str, recipe: Mapping[str, Any], make: Make, tell: Callable[[int, int], None]) -> Artefact:
        """Make, meter and store an artefact."""
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
        """Write down what a stage cost when its parts were computed."""
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
        """Write down what a method's preparation cost outside of all stages."""
        seconds, flops = self._spent
        rest = max(whole.seconds - seconds, 0.0)
        self.costs.append(
            StageCost(stage="preparation", seconds=rest, peak_bytes=whole.peak_bytes, flops=whole.flops - flops)
        )

    def started(self, stage: str, total: int) -> None:
        """Tell that a stage begins."""
        self._environment.emit(StageStarted(self._title, stage, total, id=self._cell))

    def progress(self, stage: str, done: int, total: int) -> None:
        """Tell how far a stage is."""
        self._environment.emit(Progress(self._title, stage, done, total, id=self._cell))

    def within(self, stage: str, number: int, total: int) -> Callable[[int, int], None]:
        """Return what tells the steps inside of item `number` of `total`, at most twice a second."""
        last = time.monotonic()

        def report(done: int, of: int) -> None:
            nonlocal last
            if time.monotonic() - last > 0.5:
                last = time.monotonic()
                self.progress(stage, number * of + done, total * of)

        return report


def _sum(values: Sequence[float | None]) -> float | None:
    """Add up what is known of all parts; None where it is not known of one."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
