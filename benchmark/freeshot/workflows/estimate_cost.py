"""Cost estimate of a run, from records of comparable cells: same method, options, backbone, pool and task shape."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from freeshot.basics.files import fingerprint
from freeshot.launch.plan import Plan
from freeshot.launch.request import RunRequest
from freeshot.pipeline.pool_inversion import LEARNING, STAGE, PoolInversion, inverts
from freeshot.plugin.catalogue import Catalogue
from freeshot.records.load import load_records
from freeshot.records.models import RunRecord, RunSpec

RECORD = 60_000
"""Approximate size of a record in bytes."""
SHARED = (LEARNING, STAGE)
"""Stages that depend neither on a track's shots nor on the meta-learning."""


@dataclass(frozen=True)
class StageWork:
    """A stage of one cell, or of several cells that share it."""

    seconds: float
    """Duration without cache, as recorded."""
    cached: int = 0
    """Number of its artifacts in the cache."""
    artifacts: int = 0
    """Number of its artifacts; 0 if the cache cannot be checked, because recipes are known only at run time."""

    @property
    def seconds_left(self) -> float:
        """Duration without what is cached, as far as it can be checked."""
        return self.seconds * (1 - self.cached / self.artifacts) if self.artifacts else self.seconds


@dataclass(frozen=True)
class CostEstimate:
    """Estimated cost of the cells that have to run."""

    stages: Mapping[str, Sequence[StageWork]]
    """By name, in the order of execution."""
    unknown: int
    """Number of cells without a comparable record."""
    devices: Sequence[str]
    """Devices on which the comparable records were made."""
    disk: int
    """Bytes of records and surrogate images."""

    @property
    def seconds(self) -> float:
        """Approximate duration on those devices."""
        return sum(work.seconds_left for works in self.stages.values() for work in works)


def estimate_cost(plan: Plan, request: RunRequest, catalogue: Catalogue) -> CostEstimate:
    """Sum the costs of the cells that have to run; work that cells share counts once."""
    context = request.context(catalogue, here=False)
    finished = (r for r in load_records(request.results).records if r.status == "ok" and r.stages)
    records = {_comparable(record.spec): record for record in finished}
    stages: dict[str, dict[str, StageWork]] = defaultdict(dict)
    devices: set[str] = set()
    unknown = disk = 0
    for cell in plan.cells:
        if cell.state != "todo":
            continue
        record = records.get(_comparable(cell.spec))
        if record is None:
            unknown += 1
            continue
        devices.add(record.provenance.device)
        disk += RECORD
        inversion = None
        if inverts(cell):
            pool = context.pool(cell.track.pool, context.backbone(cell.spec.backbone))
            inversion = PoolInversion.planned(context, cell, pool)
        for stage, seconds in _seconds(record, cell.episodes):
            shared = inversion if stage in SHARED else None
            key = _key(stage, cell.spec, shared)
            if key in stages[stage]:
                continue
            cached, artifacts = shared.cached_counts(stage, context.artifacts) if shared else (0, 0)
            stages[stage][key] = StageWork(seconds, cached, artifacts)
            if shared and stage == STAGE:
                disk += (artifacts - cached) * shared.bytes_each()
    works = {stage: tuple(by_key.values()) for stage, by_key in stages.items()}
    return CostEstimate(works, unknown, sorted(devices), disk)


def _comparable(spec: RunSpec) -> str:
    """Return the key that cells of equal cost share."""
    parts = {name: component.identity() for name, component in spec.components.items()}
    shape = [spec.track.way, spec.track.shot, spec.track.query]
    pool = [spec.track.opened_pool, spec.track.pool_sha256]
    return fingerprint([spec.method.identity(), parts, spec.backbone.identity(), shape, pool])


def _seconds(record: RunRecord, episodes: int) -> Iterator[tuple[str, float]]:
    """Yield each stage with its seconds; evaluation scales with the episodes unless they share embedded images."""
    recorded = len(record.accuracies)
    for stage in record.stages:
        by_episode = record.task_cost is not None and round((stage.flops or 0) / recorded) == record.task_cost.flops
        scale = episodes / recorded if stage.stage == "evaluation" and by_episode else 1.0
        yield stage.stage, stage.seconds * scale


def _key(stage: str, spec: RunSpec, inversion: PoolInversion | None) -> str:
    """Return the key of a stage; cells that share the work have the same key."""
    if inversion is not None:
        return fingerprint(inversion.identity())
    return spec.cell if stage == "evaluation" else fingerprint([_comparable(spec), spec.seed])
