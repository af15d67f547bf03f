"""Contents of a cache folder, when they were last used, and pruning.

Only FreeShot's own files are considered: known folders, and names that are hashes. Links are never followed and never
removed, so nothing outside the folder can be deleted.
"""

from __future__ import annotations

import re
import shutil
import stat
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from freeshot.basics.errors import OptionError, StoreError

HASH = r"[0-9a-f]{16,64}"
FOLDER = re.compile(rf"{HASH}|\.writing-\w+")
"""A finished artifact, or the folder of a killed writer."""
STATE = re.compile(rf"\.{{0,2}}{HASH}\.safetensors(\.\w+\.safetensors)?")
"""The checkpoint of interrupted work; with a second suffix, a partial file of a killed process."""
FAILURE = re.compile(rf"{HASH}\.txt")
UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@dataclass(frozen=True)
class CacheItem:
    """One item of the cache, which can be recomputed."""

    kind: str
    """The stage of an artifact, or 'pixels', 'unfinished', 'failures'."""
    path: Path
    bytes: int
    used: float
    """Time of last use, in seconds since 1970."""


@dataclass(frozen=True)
class KindTotal:
    """The items of one kind, summed."""

    name: str
    count: int
    bytes: int
    used: float


def list_items(cache: Path) -> list[CacheItem]:
    """List the items of a cache folder; StoreError if it does not exist."""
    if cache.is_symlink() or not cache.is_dir():
        raise StoreError(
            f"The cache folder {cache} does not exist. Give the --cache of your runs; links are not accepted."
        )
    return [
        *_artifacts(cache / "artifacts"),
        *_items("pixels", cache / "pixels", FOLDER, stat.S_ISDIR),
        *_items("unfinished", cache / "cells", STATE, stat.S_ISREG),
        *_items("failures", cache / "failures", FAILURE, stat.S_ISREG),
    ]


def totals_by_kind(items: Sequence[CacheItem]) -> list[KindTotal]:
    """Sum up by kind, the largest first."""
    groups: dict[str, list[CacheItem]] = defaultdict(list)
    for item in items:
        groups[item.kind].append(item)
    kinds = [
        KindTotal(kind, len(group), sum(item.bytes for item in group), max(item.used for item in group))
        for kind, group in groups.items()
    ]
    return sorted(kinds, key=lambda kind: (-kind.bytes, kind.name))


def to_prune(
    items: Sequence[CacheItem], kinds: Collection[str], older_than: float | None, now: float
) -> list[CacheItem]:
    """Select items of these kinds, or of any if none is given, that were not used for `older_than` seconds."""
    if not kinds and older_than is None:
        raise OptionError("Select what to delete with --older-than 30d, --kind NAME, or both. Nothing was removed.")
    held = {item.kind for item in items}
    if unknown := sorted(set(kinds) - held):
        raise OptionError(
            f"The cache holds no '{unknown[0]}'. It holds: {', '.join(sorted(held)) or 'nothing at all'}."
        )
    of_kind = [item for item in items if not kinds or item.kind in kinds]
    return [item for item in of_kind if older_than is None or now - item.used > older_than]


def prune(items: Sequence[CacheItem]) -> None:
    """Delete items; StoreError names the first that cannot be deleted."""
    for item in items:
        try:
            if stat.S_ISDIR(item.path.lstat().st_mode):
                shutil.rmtree(item.path)  # removes links inside without following them
            else:
                item.path.unlink()
        except FileNotFoundError:
            continue  # another process has removed it
        except OSError as error:
            raise StoreError(f"{item.path} cannot be removed ({error.strerror}). Fix this and rerun.") from None


def seconds_of(text: str) -> float:
    """Parse '30d', '12h', '2w' or '90m' as seconds; OptionError if invalid."""
    match = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)([mhdw])", text.strip())
    if match is None:
        raise OptionError(f"Invalid age '{text}': expected a number and m, h, d or w, such as 30d for thirty days.")
    return float(match[1]) * UNITS[match[2]]


def age(seconds: float) -> str:
    """Format a duration: '3 days ago'."""
    for unit, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= unit:
            count = int(seconds // unit)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"


def _artifacts(root: Path) -> Iterator[CacheItem]:
    for stage in _inside(root, re.compile(r"[\w-]+"), stat.S_ISDIR):
        yield from _items(stage.name, stage, FOLDER, stat.S_ISDIR)
        yield from _items("unfinished", stage, STATE, stat.S_ISREG)


def _items(kind: str, folder: Path, names: re.Pattern[str], is_type: Callable[[int], bool]) -> Iterator[CacheItem]:
    yield from (_item(kind, path) for path in _inside(folder, names, is_type))


def _inside(folder: Path, names: re.Pattern[str], is_type: Callable[[int], bool]) -> list[Path]:
    """List the entries of a folder with matching names and file type, except links."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    return [path for path in sorted(folder.iterdir()) if names.fullmatch(path.name) and is_type(path.lstat().st_mode)]


def _item(kind: str, path: Path) -> CacheItem:
    """Measure an item without following links; partial files count as unfinished."""
    kind = "unfinished" if path.name.startswith(".writing-") else kind
    files = [path]
    if stat.S_ISDIR(path.lstat().st_mode):
        files += [inner for inner in path.rglob("*") if not inner.is_symlink()]
    facts = [file.lstat() for file in files if file.exists()]
    size = sum(fact.st_size for fact in facts if stat.S_ISREG(fact.st_mode))
    return CacheItem(kind, path, size, max((fact.st_mtime for fact in facts), default=time.time()))
