"""Cost estimate of a run: operations from comparable records or counted, speed from one second of work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot.basics.errors import DataError, StoreError
from freeshot.basics.files import fingerprint
from freeshot.engine.metering.throughput import operations_per_second
from freeshot.pipeline.pool_inversion import LEARNING, STAGE, PoolInversion, inverts
from freeshot.pipeline.resolve import own_parts
from freeshot.records.models import RunRecord
from freeshot.workflows.estimate_flops import Forecast, forecast, pool_ahead

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from freeshot.contracts.tracks import Track
    from freeshot.launch.plan import Plan
    from freeshot.launch.request import RunRequest
    from freeshot.pipeline.context import RunContext
    from freeshot.pipeline.resolve import PlannedCell
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.records.models import RunSpec

RECORD = 60_000
"""Approximate size of a record in bytes."""
SHARED = (LEARNING, STAGE)
"""Stages that depend neither on a track's shots nor on the meta-learning."""


@dataclass(frozen=True)
class Work:
    """A stage of one cell, or of several cells that share it."""

    flops: float
    there: int = 0
    """Number of its artefacts in the cache."""
    parts: int = 0
    """Number of its artefacts; 0 if the cache cannot be checked, because recipes are known only at run time."""

    @property
    def left(self) -> float:
        """Operations not in the cache, as far as it can be checked."""
        return self.flops * (1 - self.there / self.parts) if self.parts else self.flops


@dataclass(frozen=True)
class Ahead:
    """Estimated cost of cells."""

    stages: Mapping[str, Sequence[Work]]
    """By name, in the order of execution."""
    unknown: int
    """Cells without an estimate."""
    rate: float
    """Floating-point operations per second, measured now or given."""
    device: str
    disk: int
    """Bytes of records and surrogate images."""
    absent: tuple[str, ...] = ()
    """Data sets whose images are missing; each of their episodes is counted with images of its own."""

    @property
    def flops(self) -> float:
        """Remaining operations."""
        return sum(work.left for works in self.stages.values() for work in works)

    @property
    def seconds(self) -> float:
        """Approximate seconds on this machine."""
        return self.flops / self.rate


def look_ahead(plan: Plan, request: RunRequest, catalogue: Catalogue, rate: float | None = None) -> Ahead:
    """Sum the cost of the cells that have to run; work that cells share counts once.

    With a `rate` in operations per second nothing is measured.
    """
    context = request.context(catalogue, here=rate is None)
    todo = [cell for cell in plan.cells if cell.state == "todo"]
    known = _on_record(request.results)
    forecasts: dict[str, Forecast] = {}
    stages: dict[str, dict[str, Work]] = defaultdict(dict)
    absent: set[str] = set()
    unknown = disk = 0
    for cell in todo:
        counted = known.get(_alike(cell.spec)) or _counted(context, cell.spec, cell.track, forecasts, absent)
        if counted is None:
            unknown += 1
            continue
        disk += RECORD
        inversion = _planned_inversion(context, cell)
        for stage, flops in counted.scaled(cell.spec.limit or cell.track.episodes).items():
            key = _key(stage, cell.spec, inversion)
            if key in stages[stage]:
                continue
            shared = inversion if stage in SHARED else None
            there, parts = shared.cached_counts(stage, context.artefacts) if shared else (0, 0)
            stages[stage][key] = Work(flops, there, parts)
            if inversion and stage == STAGE:
                disk += (parts - there) * inversion.bytes_each()
    backbones = {fingerprint(cell.spec.backbone.identity()): cell.spec.backbone for cell in todo}
    rates = [rate or operations_per_second(context.backbone(part)) for part in backbones.values()]
    works = {stage: tuple(found.values()) for stage, found in stages.items()}
    return Ahead(works, unknown, min(rates, default=1.0), str(context.device), disk, tuple(sorted(absent)))


@dataclass(frozen=True)
class _Counted:
    """Operations of a cell's stages; those of its episodes separately."""

    prepare: Mapping[str, float]
    episode: float = 0.0
    fixed: float = 0.0
    """Of the evaluation, independent of the number of episodes."""

    def scaled(self, episodes: int) -> dict[str, float]:
        return {**self.prepare, "evaluation": self.fixed + self.episode * episodes}


def _on_record(results: Path) -> dict[str, _Counted]:
    """Read the operations of finished records in which all stages were counted."""
    known: dict[str, _Counted] = {}
    for path in sorted(results.rglob("*-*.json")):
        try:
            record = RunRecord.read(path)
        except StoreError:
            continue
        flops = {stage.stage: stage.flops for stage in record.stages}
        if record.status == "ok" and record.task is not None and None not in flops.values():
            counted = {stage: float(number or 0) for stage, number in flops.items()}
            evaluation = counted.pop("evaluation", 0.0)
            each = evaluation / len(record.accuracies)
            by_episode = round(each) == record.task.flops  # or else by image: episodes share embedded images
            known[_alike(record.spec)] = _Counted(counted, each * by_episode, evaluation * (not by_episode))
    return known


def _counted(
    context: RunContext, spec: RunSpec, track: Track, forecasts: dict[str, Forecast], absent: set[str]
) -> _Counted | None:
    """Count a cell without comparable record: its steps by their number, each test image once.

    None for a method that does not both invert and meta-learn, or does either with an unknown number of steps.
    """
    if {"inversion", "meta-learner"} - own_parts(spec).keys():
        return None
    backbone, key = context.backbone(spec.backbone), _alike(spec)
    if key not in forecasts:
        forecasts[key] = forecast(context, spec, track, backbone, timed=False)
    stages = {stage.stage: stage.operations for stage in forecasts[key].stages}
    if len(stages) < 2:
        return None
    return _Counted(stages, 0.0, _looks(context, track, absent) * forecasts[key].forward)


def _looks(context: RunContext, track: Track, absent: set[str]) -> int:
    """Count the distinct images of a track's episodes; an upper bound if they are `absent`."""
    try:
        return len({i for e in context.episodes(track) for i in (*e.support, *e.query)})
    except DataError:
        absent.add(track.dataset)
        return track.episodes * track.way * (track.shot + track.query)


def _planned_inversion(context: RunContext, cell: PlannedCell) -> PoolInversion | None:
    """Return how a cell will invert its pool; None if it does not."""
    if not inverts(cell):
        return None
    return PoolInversion.planned(context, cell, pool_ahead(context, cell.track, context.backbone(cell.spec.backbone)))


def _key(stage: str, spec: RunSpec, inversion: PoolInversion | None) -> str:
    """Return the key of a stage; cells that share the work have the same key."""
    if stage in SHARED and inversion is not None:
        return fingerprint([inversion.identity(), spec.track.opened_pool])
    if stage in SHARED:
        parts = [part.identity() for part in spec.parts.values() if part.kind in ("inversion", "efficiency")]
        return fingerprint([parts, spec.method.options.get("per_class"), _pool_of(spec), spec.seed])
    if stage == "evaluation":
        return spec.cell
    return fingerprint([_alike(spec), _pool_of(spec), spec.seed])


def _alike(spec: RunSpec) -> str:
    """Return a key that cells of equal cost share: same method, options, network and task shape."""
    parts = {name: [part.name, part.options] for name, part in spec.parts.items()}
    shape = [spec.track.way, spec.track.shot, spec.track.query]
    network = [spec.backbone.name, spec.backbone.options]
    return fingerprint([spec.method.name, spec.method.options, parts, network, shape, _pool_of(spec)])


def _pool_of(spec: RunSpec) -> list[str]:
    return [spec.track.opened_pool, spec.track.pool_sha256]
