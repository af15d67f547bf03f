"""The folder that a contributor sends: the records of a row where they belong, and a list of their hashes."""

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
"""Dotted, so that it is not taken for a record."""


@dataclass(frozen=True)
class Choice:
    """The records that a name stands for."""

    records: tuple[RunRecord, ...]
    left: int
    """Others of the same methods: of other rows, or of none."""


def choose_records(records: Sequence[RunRecord], name: str, suite: str | None = None) -> Choice:
    """Choose the records of the rows of this label, else all of this method, else those of this short label.

    UnknownNameError for a name that stands for nothing, or a suite without records.
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
    """Write records under `out` as they lie under results/, and the manifest; return the manifest."""
    places = {record.spec.place: record for record in records}  # a name that leads elsewhere stops it before it begins
    files = {}
    for place, record in places.items():
        record.write(out / place)
        files[place.as_posix()] = file_sha256(out / place)
    write_text(out / MANIFEST, json.dumps(dict(sorted(files.items())), indent=1) + "\n")
    return out / MANIFEST
