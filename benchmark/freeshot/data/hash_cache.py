"""SHA-256 hashes of image files, cached in the data folder by path, size and modification time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from freeshot.basics.errors import DataError, StoreError
from freeshot.basics.files import canonical_json, file_sha256, fingerprint, require_bounded, write_text
from freeshot.data.decode import MOST_BYTES


def content_hashes(files: Sequence[Path], memory: Path | None) -> list[str]:
    """Return the SHA-256 of each file; the cache file `memory` is used for unchanged files."""
    cached = {} if memory is None else _read_cache(memory)
    hashes, changed = [], False
    for file in files:
        key, stamp = str(file.absolute()), _stamp(file)
        entry = cached.get(key)
        if entry is None or entry[:2] != stamp:
            cached[key] = entry = [*stamp, file_sha256(file)]
            changed = True
        hashes.append(entry[2])
    if changed and memory is not None:
        with suppress(StoreError):  # without write permission files are only hashed again
            write_text(memory, canonical_json([fingerprint(cached, 64), cached]))
    return hashes


def checksum(file: Path) -> str:
    """Return the MD5 of a file, which publishers provide."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "md5").hexdigest()


def _stamp(file: Path) -> list[int]:
    try:
        require_bounded(file, MOST_BYTES)
        status = file.stat()
    except OSError as error:
        why = error.strerror or error
        raise DataError(f"{file} cannot be read ({why}). Put it back, or check the data set again.") from None
    return [status.st_size, status.st_mtime_ns]


def _read_cache(memory: Path) -> dict[str, list[Any]]:
    """Read the cache; a missing or corrupt file gives an empty one."""
    try:
        stated, entries = json.loads(memory.read_text(encoding="utf-8"))
        cached: dict[str, list[Any]] = entries if stated == fingerprint(entries, 64) else {}
    except (OSError, ValueError, TypeError, RecursionError):
        return {}
    return cached
