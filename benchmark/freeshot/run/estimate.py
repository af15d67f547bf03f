"""How long it will take, from how long it took: similar records are the only guide we trust."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot.basics.errors import StoreError
from freeshot.basics.files import fingerprint
from freeshot.contracts.records import RunRecord

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from freeshot.contracts.records import RunSpec


def estimate_seconds(cells: Sequence[RunSpec], results: Path) -> float | None:
    """Add up what the same rows took on the same number of shots; None if one of them was never run.

    Preparation that cells share is counted once per pool and shot.
    """
    if not cells:
        return 0.0
    known = _seconds_on_record(results)
    total, prepared = 0.0, set()
    for spec in cells:
        key = _alike(spec)
        if key not in known:
            return None
        preparation, per_episode = known[key]
        shared = (key, spec.track.pool, spec.seed)
        total += per_episode * (spec.limit or spec.track.episodes) + (0 if shared in prepared else preparation)
        prepared.add(shared)
    return total


def _seconds_on_record(results: Path) -> dict[str, tuple[float, float]]:
    """Read (preparation, seconds per episode) per method and shot from finished records."""
    known: dict[str, tuple[float, float]] = {}
    for path in sorted(results.rglob("*-*.json")):
        try:
            record = RunRecord.read(path)
        except StoreError:
            continue
        if record.status != "ok":
            continue
        evaluation = sum(s.seconds for s in record.stages if s.stage == "evaluation")
        preparation = sum(s.seconds for s in record.stages) - evaluation
        known[_alike(record.spec)] = (preparation, evaluation / len(record.accuracies))
    return known


def _alike(spec: RunSpec) -> str:
    """Tell cells that take alike by one key: the same method and options on the same number of shots."""
    parts = {name: [part.name, part.options] for name, part in spec.parts.items()}
    return fingerprint([spec.method.name, spec.method.options, parts, spec.track.shot])
