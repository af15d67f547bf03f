"""The artifact cache: results of stages under the hash of their recipe, written atomically."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from freeshot.basics.errors import StoreError
from freeshot.basics.files import file_sha256, fingerprint, publish_folder, write_tensors, write_text
from freeshot.cache.checkpoints import FileCheckpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from filelock import FileLock
    from torch import Tensor


CARD, TENSORS = "card.json", "tensors.safetensors"
Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Artifact:
    """The result of a stage: tensors, facts, and its cost when it was computed."""

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]
    seconds: float = 0.0
    peak_bytes: int = 0
    flops: int | None = None
    """Floating-point operations; None if they were not counted."""
    joules: float | None = None
    """Energy; None if no counter was available."""
    cached: bool = False
    """Whether it was loaded from the cache."""


COSTS = ("facts", "seconds", "peak_bytes", "flops", "joules")
"""Fields of an artifact that are stored in its card."""


class Artifacts:
    """Artifacts of all stages in one folder: `<root>/<stage>/<hash of the recipe>/`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def load(self, stage: str, recipe: Mapping[str, Any]) -> Artifact | None:
        """Return the artifact, or None if it is missing or damaged; a damaged one is deleted."""
        folder = self._folder(stage, recipe)
        if not (folder / CARD).exists():
            return None
        try:
            artifact = self._read(folder)
        except (AttributeError, OSError, ValueError, KeyError, TypeError, RecursionError):
            shutil.rmtree(folder, ignore_errors=True)
            return None
        with suppress(OSError):
            (folder / CARD).touch()  # the time of last use
        return artifact

    def has(self, stage: str, recipe: Mapping[str, Any]) -> bool:
        """Return whether an artifact exists; `load` checks that it is intact."""
        return (self._folder(stage, recipe) / CARD).exists()

    def save(self, stage: str, recipe: Mapping[str, Any], artifact: Artifact) -> None:
        """Write an artifact atomically."""
        card = {"stage": stage, "recipe": recipe, **{name: getattr(artifact, name) for name in COSTS}}
        try:
            with publish_folder(self._folder(stage, recipe)) as folder:
                write_tensors(folder / TENSORS, artifact.tensors)
                card["sha256"] = file_sha256(folder / TENSORS)
                write_text(folder / CARD, json.dumps(card | {"card_sha256": _sum(card)}, indent=1) + "\n")
        except OSError as error:
            raise self._unwritable(error) from error
        self.checkpoint(stage, recipe).clear()

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(
            f"The cache {self._root} cannot be written ({error.strerror}). Free space or choose another --cache; "
            "finished work is kept."
        )

    def lock(self, stage: str, recipe: Mapping[str, Any]) -> FileLock:
        """Return the lock of an artifact, so that only one process computes it at a time."""
        from filelock import FileLock

        folder = self._folder(stage, recipe)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        return FileLock(folder.with_name(f".{folder.name}.lock"))

    def is_locked(self, stage: str, recipe: Mapping[str, Any]) -> bool:
        """Return whether another process is computing an artifact now."""
        from filelock import Timeout

        try:
            with self.lock(stage, recipe).acquire(timeout=0):
                return False
        except Timeout:
            return True

    def checkpoint(self, stage: str, recipe: Mapping[str, Any]) -> FileCheckpoint:
        """Return the checkpoint for the computation of an artifact."""
        folder = self._folder(stage, recipe)
        return FileCheckpoint(folder.with_name(f".{folder.name}.safetensors"))

    def _read(self, folder: Path) -> Artifact:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        if card.pop("card_sha256") != _sum(card) or file_sha256(folder / TENSORS) != card["sha256"]:
            raise ValueError("damaged")
        try:
            return Artifact(load_file(folder / TENSORS), **{name: card[name] for name in COSTS}, cached=True)
        except SafetensorError as error:
            raise ValueError("damaged") from error

    def _folder(self, stage: str, recipe: Mapping[str, Any]) -> Path:
        return self._root / stage / fingerprint(dict(recipe))


def _sum(card: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(card).encode()).hexdigest()


def free_first(items: Iterable[Item], in_progress: Callable[[Item], bool]) -> Iterator[Item]:
    """Yield each item; those that another process is computing when their turn comes are last, to be loaded then."""
    later = []
    for item in items:
        if in_progress(item):
            later.append(item)
        else:
            yield item
    yield from later
