"""The submission folder of a contributor: the records of a row at their final paths, and a manifest of hashes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from freeshot.basics.files import file_sha256, write_text
from freeshot.leaderboard.board import Board, boards
from freeshot.leaderboard.selection import boards_of_suite, find_rows, unknown_row
from freeshot.records.models import RunRecord

MANIFEST = ".manifest.json"
"""Dotted, so that it is not read as a record."""


def choose_records(records: Sequence[RunRecord], name: str, suite: str | None = None) -> tuple[list[RunRecord], int]:
    """Choose the records of the rows with this label, else of this method, else of the rows with this short label.

    Also return the number of other records of the same methods, in other rows or in none. UnknownNameError if nothing
    matches the name, or if the suite has no records.
    """
    candidates = boards_of_suite(boards(records), suite)
    of_suite = [record for record in records if suite in (None, record.spec.suite)]
    chosen = (
        _records_of(candidates, name, "label")
        or [record for record in of_suite if record.spec.method.name == name]
        or _records_of(candidates, name, "short_label")
    )
    if not chosen:
        raise unknown_row(candidates, name, suite)
    methods = {record.spec.method.name for record in chosen}
    return chosen, sum(record.spec.method.name in methods for record in of_suite) - len(chosen)


def _records_of(candidates: Iterable[Board], name: str, field: Literal["label", "short_label"]) -> list[RunRecord]:
    return [record for board in candidates for row in find_rows(board, name, field) for record in row.records]


def pack_records(records: Iterable[RunRecord], out: Path) -> Path:
    """Write records under `out` at the same paths as under results/, and a manifest; return the manifest's path."""
    by_path = {
        record.spec.relative_path: record for record in records
    }  # raises for an unsafe name before any file is written
    files = {}
    for path, record in by_path.items():
        record.write(out / path)
        files[path.as_posix()] = file_sha256(out / path)
    write_text(out / MANIFEST, json.dumps(dict(sorted(files.items())), indent=1) + "\n")
    return out / MANIFEST
