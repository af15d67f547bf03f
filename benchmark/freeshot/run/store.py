"""Where records live: `<results>/<suite>/<track>/<method>-<cell>.json`, and what is there already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot.basics.errors import StoreError
from freeshot.contracts.records import RunRecord

if TYPE_CHECKING:
    from pathlib import Path

    from freeshot.contracts.records import RunSpec


def record_path(results: Path, spec: RunSpec) -> Path:
    """Say where the record of a cell belongs."""
    return results / spec.place


def stored_record(results: Path, spec: RunSpec) -> RunRecord | None:
    """Return the cell's record if there is a readable one."""
    path = record_path(results, spec)
    if not path.exists():
        return None
    try:
        return RunRecord.read(path)
    except StoreError:
        return None  # an unreadable record is written anew


def is_done(record: RunRecord | None) -> bool:
    """Say whether a record need not be made again: it is finished, or skipped for a reason."""
    return record is not None and record.status in ("ok", "skipped")
