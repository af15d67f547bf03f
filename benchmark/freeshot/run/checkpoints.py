"""Checkpoints in files beside the artefact they become."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from freeshot.basics.files import atomic_path
from freeshot.contracts.checkpoint import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

EVERY = 30.0
"""Seconds between two states kept."""


class FileCheckpoint(Checkpoint):
    """Keep the last state in one file; a damaged file counts as none."""

    def __init__(self, path: Path, every: float = EVERY) -> None:
        self._path, self._every = path, every
        self._kept = time.monotonic()

    def load(self) -> Mapping[str, Tensor] | None:
        """Return the last state kept."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(self._path)
        except (OSError, SafetensorError):
            return None

    def offer(self, make: Callable[[], Mapping[str, Tensor]]) -> None:
        """Write a state, if the last is older than `every` seconds."""
        from safetensors.torch import save_file

        if time.monotonic() - self._kept < self._every:
            return
        with atomic_path(self._path) as temporary:
            save_file({name: tensor.contiguous() for name, tensor in make().items()}, temporary)
        self._kept = time.monotonic()

    def clear(self) -> None:
        """Forget the state: the work is done."""
        self._path.unlink(missing_ok=True)
