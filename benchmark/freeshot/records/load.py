"""Load records from a folder: all readable ones, and an error message for each other file."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from freeshot.basics.errors import StoreError, UnknownNameError
from freeshot.basics.text import counted, one_line
from freeshot.records.models import RunRecord

LEADERBOARD = "leaderboard"
"""Subfolder of the results folder for the generated leaderboards."""
HASH = re.compile("[0-9a-f]{1,16}")


@dataclass(frozen=True)
class Loaded:
    """The records of a folder in a stable order, and error messages for unreadable files."""

    records: tuple[RunRecord, ...]
    problems: tuple[str, ...]
    older: tuple[RunRecord, ...] = ()
    """Records of cells that have a newer one: they are on no board, but their runs also used the test episodes."""


def load_records(folder: Path) -> Loaded:
    """Read every record under a folder; keep the newest of each cell, and report each unreadable file as a problem."""
    newest: dict[str, RunRecord] = {}
    problems: list[str] = []
    older: list[RunRecord] = []
    for path in record_paths(folder):
        try:
            record = RunRecord.read(path)
        except StoreError as error:
            problems.append(str(error))
            continue
        latest = newest.setdefault(record.cell, record)
        if record is not latest and record != latest and record not in older:
            latest, newest[record.cell] = sorted((latest, record), key=age_key)
            older.append(latest)
    records = tuple(sorted(newest.values(), key=order_key))
    return Loaded(records, tuple(problems), tuple(sorted(older, key=age_key)))


def find_record(name: str, folder: Path) -> Path:
    """Return a record's file: `name` itself, or the file under a folder whose hash begins with it.

    UnknownNameError if there is none, or more than one.
    """
    if Path(name).is_file():
        return Path(name)
    is_hash = HASH.fullmatch(name)
    matching = [path for path in record_paths(folder) if is_hash and path.stem.rpartition("-")[2].startswith(name)]
    if len(matching) == 1:
        return matching[0]
    named = one_line(name)
    if matching:
        paths = ", ".join(map(str, matching[:5])) + (", …" if len(matching) > 5 else "")
        raise UnknownNameError(
            f"{counted(len(matching), 'record')} have a hash that begins with '{named}': {paths}. Give one of these "
            "files, or more digits."
        )
    raise UnknownNameError(
        f"'{named}' is neither a file nor the beginning of a hash of a record in {folder}. 'freeshot results list' "
        "shows the hashes."
    )


def order_key(record: RunRecord) -> tuple[str, str, str]:
    """Return the sort key for track, method and cell."""
    return record.spec.track.name, record.spec.method.name, record.cell


def age_key(record: RunRecord) -> tuple[float, str, _Text]:
    """Return the sort key from old to new; equally old records sort by content, so that input order has no effect."""
    try:
        moment = datetime.fromisoformat(record.provenance.finished)
    except ValueError:
        return float("-inf"), record.cell, _Text(record)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp(), record.cell, _Text(record)


@dataclass(frozen=True, eq=False)
class _Text:
    """The JSON text of a record as a sort key; serialized lazily, because that takes longer than reading the record."""

    record: RunRecord

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Text) and (self.record is other.record or str(self) == str(other))

    def __hash__(self) -> int:
        return hash(self.record.cell)

    def __lt__(self, other: _Text) -> bool:
        return str(self) < str(other)

    def __str__(self) -> str:
        return self.record.model_dump_json()


def record_paths(folder: Path) -> list[Path]:
    """List possible record files, without leaderboards and dotted files, which atomic writes create temporarily."""
    paths: list[Path] = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != LEADERBOARD and not name.startswith(".")]
        paths += [Path(parent, name) for name in files if name.endswith(".json") and not name.startswith(".")]
    return sorted(paths, key=lambda path: path.parts)
