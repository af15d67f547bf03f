"""Costs of rows, per device: seconds on different devices are never averaged."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from freeshot.leaderboard.board import Board
from freeshot.records.models import RunRecord, StageCost

MIB = 2**20


@dataclass(frozen=True)
class Cost:
    """Cost of one track, averaged over the finished records of a row on a device."""

    label: str
    device: str
    prepare_seconds: float
    """All stages before evaluation, as without a cache."""
    evaluate_seconds: float
    peak_mib: float
    records: int
    prepare_flops: float | None = None
    """Floating-point operations of all stages before evaluation; None if a record lacks them."""
    task_flops: float | None = None
    """Floating-point operations of one test task."""
    learned: int | None = None
    """Number of weights learned before the first task."""
    tuned: int | None = None
    """Number of weights fitted to each task."""
    queries: float | None = None
    """Number of images sent to LoRAs; None if no images were sent."""
    joules: float | None = None
    """Energy of all stages; None if a record lacks it."""
    all_seconds: float = 0.0
    """Duration of all records in sequence; a stage that several records took from the cache counts once."""


def costs(board: Board) -> tuple[Cost, ...]:
    """List the costs of a board's rows and controls, in the order of the board."""
    name = _device_names(record for row in board.all_rows for record in row.records)
    return tuple(
        _cost(row.label, device, records)
        for row in board.all_rows
        for device, records in sorted(_by_device(row.records, name).items())
    )


def usual_device(found: Sequence[Cost]) -> str | None:
    """Return the device that most rows were run on; None if no row has a cost."""
    rows = Counter(cost.device for cost in found)
    return min(rows, key=lambda device: (-rows[device], device), default=None)


def _device_names(records: Iterable[RunRecord]) -> Callable[[RunRecord], str]:
    """Return a function that names a record's device, with the thread count if records of the device differ in it."""
    threads: dict[str, set[int]] = defaultdict(set)
    for record in records:
        threads[record.provenance.device].add(record.provenance.threads)

    def name(record: RunRecord) -> str:
        made = record.provenance
        several = f", {made.threads} thread{'s' if made.threads > 1 else ''}" if len(threads[made.device]) > 1 else ""
        return made.device + several

    return name


def _by_device(records: Sequence[RunRecord], name: Callable[[RunRecord], str]) -> dict[str, list[RunRecord]]:
    found: dict[str, list[RunRecord]] = defaultdict(list)
    for record in records:
        if record.status == "ok" and record.stages:
            found[name(record)].append(record)
    return found


def _cost(label: str, device: str, records: Sequence[RunRecord]) -> Cost:
    stages = [stage for record in records for stage in record.stages]
    evaluation = sum(stage.seconds for stage in stages if _evaluates(stage))
    return Cost(
        label,
        device,
        (sum(stage.seconds for stage in stages) - evaluation) / len(records),
        evaluation / len(records),
        max(stage.peak_bytes for stage in stages) / MIB,
        len(records),
        _mean([_prepared(record) for record in records]),
        _mean([record.task.flops if record.task else None for record in records]),
        _most([sum(s.learned or 0 for s in record.stages) if record.task else None for record in records]),
        _most([record.task.tuned if record.task else None for record in records]),
        _mean([_queries(record) for record in records]),
        _mean([_joules(record) for record in records]),
        evaluation + _made_once(stage for stage in stages if not _evaluates(stage)),
    )


def _made_once(stages: Iterable[StageCost]) -> float:
    """Sum the seconds of stages; a cached stage has identical seconds in all records that use it and counts once."""
    return sum(seconds for _, seconds in {(stage.stage, stage.seconds) for stage in stages})


def _prepared(record: RunRecord) -> float | None:
    """Sum the operations before evaluation; None if a stage was not counted."""
    counted = [stage.flops for stage in record.stages if not _evaluates(stage)]
    known = [flops for flops in counted if flops is not None]
    return float(sum(known)) if record.task is not None and len(known) == len(counted) else None


def _joules(record: RunRecord) -> float | None:
    """Sum the energy of all stages except those without time of their own; the seconds between stages do not count."""
    counted = [stage.joules for stage in record.stages if stage.stage not in ("queries", "preparation")]
    known = [joules for joules in counted if joules is not None]
    return sum(known) if len(known) == len(counted) else None


def _queries(record: RunRecord) -> float | None:
    asked = [stage.facts["queries"] for stage in record.stages if "queries" in stage.facts]
    numbers = [float(number) for number in asked if isinstance(number, int | float)]
    return sum(numbers) if numbers else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _most(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return max(known) if known and len(known) == len(values) else None


def _evaluates(stage: StageCost) -> bool:
    return stage.stage.startswith("evaluat")
