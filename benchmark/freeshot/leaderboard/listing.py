"""Records as a list: each with the label of its row, filtered by suite, track and method, and as plain fields."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from freeshot.basics.suggestions import unknown_name
from freeshot.leaderboard.labels import row_labels
from freeshot.leaderboard.selection import Selection
from freeshot.records.models import RunRecord

FIELDS = (
    "record", "suite", "track", "method", "label", "seed", "status", "accuracy", "low", "high", "episodes",
    "comparable", "precision", "backbone", "pool", "finished", "reason",
)  # fmt: skip
"""Plain fields of a record. `record` is its hash, `label` that of its row; accuracies are in 0…1 with their interval
over episodes, None without a result; `finished` is in UTC, ISO 8601."""


@dataclass(frozen=True)
class Listed:
    """A record and the label of its row among the records of its suite."""

    record: RunRecord
    label: str

    def fields(self) -> dict[str, Any]:
        """Return the FIELDS of the record."""
        record, spec = self.record, self.record.spec
        interval = record.interval
        values = (
            record.cell, spec.suite, spec.track.name, spec.method.name, self.label, spec.seed, record.status,
            interval.mean if interval else None, interval.low if interval else None,
            interval.high if interval else None, len(record.accuracies), record.comparable, spec.precision,
            spec.backbone.name, spec.track.opened_pool, record.provenance.finished, record.reason,
        )  # fmt: skip
        return dict(zip(FIELDS, values, strict=True))


def list_records(records: Iterable[RunRecord], selection: Selection) -> list[Listed]:
    """Label and select records; UnknownNameError for a suite, track pattern or method that no record has."""
    every = list(records)
    by_suite: dict[str, list[RunRecord]] = defaultdict(list)
    for record in every:
        by_suite[record.spec.suite].append(record)
    label_of = {
        id(record): label
        for same in by_suite.values()
        for record, label in zip(same, row_labels([record.spec for record in same]), strict=True)
    }
    listed = [Listed(record, label_of[id(record)]) for record in selection.records(every)]
    names = {name for each in listed for name in (each.label, each.record.spec.method.name)}
    for method in selection.methods:
        if method not in names:
            raise unknown_name("row or method with records", method, names)
    chosen = set(selection.methods)
    kept = [each for each in listed if not chosen or chosen & {each.label, each.record.spec.method.name}]
    return sorted(kept, key=_order)


def _order(listed: Listed) -> tuple[str, str, str, int]:
    spec = listed.record.spec
    return spec.suite, spec.track.name, listed.label, spec.seed
