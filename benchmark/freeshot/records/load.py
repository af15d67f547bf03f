"""Records from a folder: every readable one, and a sentence for every other."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from freeshot.basics.errors import StoreError
from freeshot.basics.memory import gc_paused
from freeshot.records.models import RunRecord

LEADERBOARD = "leaderboard"
"""The folder beside the records that holds what is written from them."""


@dataclass(frozen=True)
class Loaded:
    """The records of a folder in a stable order, and what could not be read."""

    records: tuple[RunRecord, ...]
    problems: tuple[str, ...]
    older: tuple[RunRecord, ...] = ()
    """Others of cells that have a newer record: they stand on no board, but looked at test episodes too."""


@gc_paused()
def load_records(folder: Path) -> Loaded:
    """Read every record under a folder; a bad file costs one sentence, and of one cell the newest is kept."""
    newest: dict[str, RunRecord] = {}
    problems: list[str] = []
    older: list[RunRecord] = []
    for path in _paths(folder):
        try:
            record = RunRecord.read(path)
        except StoreError as error:
            problems.append(str(error))
            continue
        known = newest.setdefault(record.cell, record)
        if record is not known and record != known and record not in older:
            known, newest[record.cell] = sorted((known, record), key=age_key)
            older.append(known)
    found = tuple(sorted(newest.values(), key=order_key))
    return Loaded(found, tuple(problems), tuple(sorted(older, key=age_key)))


def order_key(record: RunRecord) -> tuple[str, str, str]:
    """Sort records by track, method and cell."""
    return record.spec.track.name, record.spec.method.name, record.cell


def age_key(record: RunRecord) -> tuple[float, str, _Text]:
    """Sort records from old to new; what they say decides between equally old ones, so that input order never does."""
    try:
        moment = datetime.fromisoformat(record.provenance.finished)
    except ValueError:
        return float("-inf"), record.cell, _Text(record)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp(), record.cell, _Text(record)


@dataclass(frozen=True, eq=False)
class _Text:
    """The whole text of a record, written only where two are equal in all else: that takes longer than reading one."""

    record: RunRecord

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Text) and (self.record is other.record or str(self) == str(other))

    def __hash__(self) -> int:
        return hash(self.record.cell)

    def __lt__(self, other: _Text) -> bool:
        return str(self) < str(other)

    def __str__(self) -> str:
        return self.record.model_dump_json()


def _paths(folder: Path) -> list[Path]:
    """List what may be a record: no leaderboard, and none of the dotted files that an atomic write leaves a moment."""
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != LEADERBOARD and not name.startswith(".")]
        found += [Path(place, name) for name in files if name.endswith(".json") and not name.startswith(".")]
    return sorted(found, key=lambda path: path.parts)
