"""The submission folder of a contributor: the records of a row at their final paths, and a manifest of hashes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from freeshot.basics.files import file_sha256, write_text
from freeshot.leaderboard.board import Row, boards
from freeshot.leaderboard.lookup import by_label, by_short_label, of_suite, unknown_row
from freeshot.records.models import RunRecord

MANIFEST = ".manifest.json"
"""Dotted, so that it is not read as a record."""


@dataclass(frozen=True)
class Choice:
    """The records that a name selects."""

    records: tuple[RunRecord, ...]
    left: int
    """Number of other records of the same methods, in other rows or in none."""


def choose_records(records: Sequence[RunRecord], name: str, suite: str | None = None) -> Choice:
    """Choose the records of the rows with this label, else of this method, else of the rows with this short label.

    UnknownNameError if nothing matches the name, or if the suite has no records.
    """
    found = of_suite(boards(records), suite)
    there = [record for record in records if suite in (None, record.spec.suite)]
    chosen = (
        _records_of(row for board in found for row in by_label(board, name))
        or [record for record in there if record.spec.method.name == name]
        or _records_of(row for board in found for row in by_short_label(board, name))
    )
    if not chosen:
        raise unknown_row(found, name, suite)
    methods = {record.spec.method.name for record in chosen}
    return Choice(tuple(chosen), sum(record.spec.method.name in methods for record in there) - len(chosen))


def _records_of(rows: Iterable[Row]) -> list[RunRecord]:
    return [record for row in rows for record in row.line.records]


def pack_records(records: Iterable[RunRecord], out: Path) -> Path:
    """Write records under `out` at the same paths as under results/, and a manifest; return the manifest's path."""
    places = {record.spec.place: record for record in records}  # raises for an unsafe name before any file is written
    files = {}
    for place, record in places.items():
        record.write(out / place)
        files[place.as_posix()] = file_sha256(out / place)
    write_text(out / MANIFEST, json.dumps(dict(sorted(files.items())), indent=1) + "\n")
    return out / MANIFEST
