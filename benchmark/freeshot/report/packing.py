"""The folder that a contributor sends: records where they belong, and a list of their hashes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from freeshot.basics.files import file_sha256, write_text
from freeshot.contracts.records import RunRecord

MANIFEST = ".manifest.json"
"""Dotted, so that it is not taken for a record."""


def pack_records(records: Iterable[RunRecord], out: Path) -> Path:
    """Write records under `out` as they lie under results/, and the manifest; return the manifest."""
    places = {record.spec.place: record for record in records}  # a name that leads elsewhere stops it before it begins
    files = {}
    for place, record in places.items():
        record.write(out / place)
        files[place.as_posix()] = file_sha256(out / place)
    write_text(out / MANIFEST, json.dumps(dict(sorted(files.items())), indent=1) + "\n")
    return out / MANIFEST
