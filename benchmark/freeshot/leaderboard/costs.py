"""Costs of rows, per device: seconds on different devices are never averaged."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
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

    @property
    def seconds(self) -> float:
        """Time to prepare and evaluate."""
        return self.prepare_seconds + self.evaluate_seconds


def costs(board: Board) -> tuple[Cost, ...]:
    """List the costs of a board's rows and controls, in the order of the board."""
    threads: dict[str, set[int]] = defaultdict(set)
    for record in (record for row in board.all_rows for record in row.records):
        threads[record.provenance.device].add(record.provenance.threads)
    prices = []
    for row in board.all_rows:
        by_device: dict[str, list[RunRecord]] = defaultdict(list)
        for record in row.records:
            if record.status == "ok" and record.stages:
                origin = record.provenance
                several = f", {origin.threads} thread{'s' if origin.threads > 1 else ''}"
                by_device[origin.device + several * (len(threads[origin.device]) > 1)].append(record)
        prices += [_cost(row.label, device, records) for device, records in sorted(by_device.items())]
    return tuple(prices)


def usual_device(prices: Sequence[Cost]) -> str | None:
    """Return the device that most rows were run on; None if no row has a cost."""
    rows = Counter(cost.device for cost in prices)
    return min(rows, key=lambda device: (-rows[device], device), default=None)


def _cost(label: str, device: str, records: Sequence[RunRecord]) -> Cost:
    stages = [stage for record in records for stage in record.stages]
    preparation = [stage for stage in stages if not _evaluates(stage)]
    evaluation = sum(stage.seconds for stage in stages if _evaluates(stage))
    # a stage that several records took from the cache has identical seconds in all of them, and counts once
    made_once = sum(seconds for _, seconds in {(stage.stage, stage.seconds) for stage in preparation})
    tasks = [record.task_cost for record in records]
    return Cost(
        label,
        device,
        (sum(stage.seconds for stage in stages) - evaluation) / len(records),
        evaluation / len(records),
        max(stage.peak_bytes for stage in stages) / MIB,
        len(records),
        _mean([_prepare_flops(record) for record in records]),
        _mean([task.flops if task else None for task in tasks]),
        _most([sum(s.learned_weights or 0 for s in record.stages) if record.task_cost else None for record in records]),
        _most([task.tuned_weights if task else None for task in tasks]),
        _mean([_queries(record) for record in records]),
        # the seconds between stages have no energy of their own
        _mean([_total([s.joules for s in r.stages if s.stage not in ("queries", "preparation")]) for r in records]),
        evaluation + made_once,
    )


def _prepare_flops(record: RunRecord) -> float | None:
    total = _total([stage.flops for stage in record.stages if not _evaluates(stage)])
    return float(total) if total is not None and record.task_cost is not None else None


def _queries(record: RunRecord) -> float | None:
    numbers = [stage.facts.get("queries") for stage in record.stages]
    counts = [float(number) for number in numbers if isinstance(number, int | float)]
    return sum(counts) if counts else None


def _total(values: Sequence[float | None]) -> float | None:
    """Add values; None if one is missing."""
    return None if None in values else sum(value for value in values if value is not None)


def _mean(values: Sequence[float | None]) -> float | None:
    total = _total(values)
    return None if total is None else total / len(values)


def _most(values: Sequence[int | None]) -> int | None:
    return None if None in values else max(value for value in values if value is not None)


def _evaluates(stage: StageCost) -> bool:
    return stage.stage.startswith("evaluat")
