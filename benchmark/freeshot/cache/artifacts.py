"""The artefact cache: results of stages under the hash of their recipe, written atomically."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import StoreError
from freeshot.basics.files import file_sha256, fingerprint, write_tensors, write_text
from freeshot.cache.checkpoints import FileCheckpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from filelock import FileLock
    from torch import Tensor


FIELDS = frozenset({"stage", "recipe", "facts", "seconds", "peak_bytes", "flops", "joules", "sha256"})
"""Fields of an artefact's card."""


@dataclass(frozen=True, eq=False)
class Artefact:
    """The result of a stage: tensors, facts, and its cost when it was computed."""

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]
    seconds: float = 0.0
    peak_bytes: int = 0
    flops: int | None = None
    """Floating-point operations; None if they were not counted."""
    joules: float | None = None
    """Energy; None if no counter was available."""


class Artefacts:
    """Artefacts of all stages in one folder: `<root>/<stage>/<hash of the recipe>/`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def load(self, stage: str, recipe: Mapping[str, Any]) -> Artefact | None:
        """Return the artefact, or None if it is missing or damaged; a damaged one is deleted."""
        folder = self._folder(stage, recipe)
        if not (folder / "card.json").exists():
            return None
        try:
            artefact = self._read(folder)
        except (AttributeError, OSError, ValueError, KeyError, TypeError, RecursionError):
            shutil.rmtree(folder, ignore_errors=True)
            return None
        with suppress(OSError):
            (folder / "card.json").touch()  # the time of last use
        return artefact

    def has(self, stage: str, recipe: Mapping[str, Any]) -> bool:
        """Return whether an artefact exists; `load` checks that it is intact."""
        return (self._folder(stage, recipe) / "card.json").exists()

    def save(self, stage: str, recipe: Mapping[str, Any], artefact: Artefact) -> None:
        """Write an artefact atomically."""
        folder = self._folder(stage, recipe)
        fresh: Path | None = None
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".writing-"))
            write_tensors(fresh / "tensors.safetensors", artefact.tensors)
            card = {
                "stage": stage,
                "recipe": recipe,
                "facts": artefact.facts,
                "seconds": artefact.seconds,
                "peak_bytes": artefact.peak_bytes,
                "flops": artefact.flops,
                "joules": artefact.joules,
                "sha256": file_sha256(fresh / "tensors.safetensors"),
            }
            write_text(fresh / "card.json", json.dumps(card | {"card_sha256": _sum(card)}, indent=1) + "\n")
            _put(fresh, folder)
            self.checkpoint(stage, recipe).clear()
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            if fresh is not None:
                shutil.rmtree(fresh, ignore_errors=True)

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(
            f"The cache {self._root} cannot be written ({error.strerror}). Free space or choose another --cache; "
            "finished work is kept."
        )

    def lock(self, stage: str, recipe: Mapping[str, Any]) -> FileLock:
        """Return the lock of an artefact, so that only one process computes it at a time."""
        from filelock import FileLock

        folder = self._folder(stage, recipe)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        return FileLock(folder.with_name(f".{folder.name}.lock"))

    def is_locked(self, stage: str, recipe: Mapping[str, Any]) -> bool:
        """Return whether another process is computing an artefact now."""
        from filelock import Timeout

        try:
            with self.lock(stage, recipe).acquire(timeout=0):
                return False
        except Timeout:
            return True

    def checkpoint(self, stage: str, recipe: Mapping[str, Any]) -> FileCheckpoint:
        """Return the checkpoint for the computation of an artefact."""
        folder = self._folder(stage, recipe)
        return FileCheckpoint(folder.with_name(f".{folder.name}.safetensors"))

    def _read(self, folder: Path) -> Artefact:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        stated = card.pop("card_sha256", None)
        if stated != _sum(card) and (stated is not None or not card.keys() <= FIELDS):
            raise ValueError("damaged")  # cards without checksum, from before it was introduced, are accepted
        file = folder / "tensors.safetensors"
        if file_sha256(file) != card["sha256"]:
            raise ValueError("damaged")
        try:
            cost = (card["seconds"], card["peak_bytes"], card.get("flops"), card.get("joules"))
            return Artefact(load_file(file), card["facts"], *cost)
        except SafetensorError as error:
            raise ValueError("damaged") from error

    def _folder(self, stage: str, recipe: Mapping[str, Any]) -> Path:
        return self._root / stage / fingerprint(dict(recipe))


def _sum(card: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(card).encode()).hexdigest()


def _put(fresh: Path, folder: Path) -> None:
    """Move a complete folder into place; if two processes computed the same artefact, either is valid."""
    if folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
    try:
        fresh.replace(folder)
    except OSError:
        if not (folder / "card.json").exists():
            raise
