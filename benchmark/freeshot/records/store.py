"""Locations of records: `<results>/<suite>/<track>/<method>-<cell>.json`."""

from __future__ import annotations

from pathlib import Path

from freeshot.basics.errors import StoreError
from freeshot.records.models import RunRecord, RunSpec


def record_path(results: Path, spec: RunSpec) -> Path:
    """Return the path of a cell's record."""
    return results / spec.relative_path


def stored_record(results: Path, spec: RunSpec) -> RunRecord | None:
    """Return the cell's record if there is a readable one."""
    path = record_path(results, spec)
    if not path.exists():
        return None
    try:
        return RunRecord.read(path)
    except StoreError:
        return None  # an unreadable record is replaced


def is_finished(record: RunRecord | None) -> bool:
    """Return whether a record need not be recomputed: it is finished, or skipped for a reason."""
    return record is not None and record.status in ("ok", "skipped")
