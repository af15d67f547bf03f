"""What a row cost, per device: seconds on different devices are never averaged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from freeshot.contracts.records import RunRecord, StageCost
from freeshot.report.board import Board

MIB = 2**20


@dataclass(frozen=True)
class Cost:
    """The cost of one track, averaged over the finished records of a row on a device."""

    label: str
    device: str
    prepare_seconds: float
    """All stages before evaluation as if nothing had been cached."""
    evaluate_seconds: float
    peak_mib: float
    records: int


def costs(board: Board) -> tuple[Cost, ...]:
    """List the costs of a board's rows and controls, in the order of the board."""
    return tuple(
        _cost(row.label, device, records)
        for row in (*board.rows, *board.controls)
        for device, records in sorted(_by_device(row.line.records).items())
    )


def _by_device(records: Sequence[RunRecord]) -> dict[str, list[RunRecord]]:
    found: dict[str, list[RunRecord]] = defaultdict(list)
    for record in records:
        if record.status == "ok" and record.stages:
            made = record.provenance
            threads = f", {made.threads} threads" if made.device == "cpu" else ""
            found[made.device + threads].append(record)
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
    )


def _evaluates(stage: StageCost) -> bool:
    return stage.stage.startswith("evaluat")
