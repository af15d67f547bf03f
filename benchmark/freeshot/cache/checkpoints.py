"""Checkpoint files, stored next to the artifact they become."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from freeshot.basics.files import atomic_path, tensors_sha256, write_tensors
from freeshot.contracts.tensors import Checkpoint
from freeshot.engine.metering.meter import Meter

EVERY = 30.0
"""Seconds between two stored states."""
SPENT = "freeshot.spent"
"""Cost so far, stored with a state: seconds and operations."""


class FileCheckpoint(Checkpoint):
    """Store the latest state in one file; a damaged file counts as missing.

    With a meter, the cost so far is stored with the state, and continues from there.
    """

    def __init__(self, path: Path, every: float | None = None) -> None:
        self._path, self._every = path, EVERY if every is None else every
        self._stored_at = time.monotonic()
        self.meter: Meter | None = None

    def load(self) -> Mapping[str, Tensor] | None:
        """Return the latest stored state."""
        state = self._read()
        if state is None:
            return None
        spent = state.pop(SPENT, None)
        if self.meter is not None and spent is not None and spent.shape == (2,):
            seconds, flops = spent.tolist()
            self.meter.earlier = (seconds, int(flops))
        return state

    def offer(self, make: Callable[[], Mapping[str, Tensor]]) -> None:
        """Store a state if the last one is older than `every` seconds."""
        if time.monotonic() - self._stored_at < self._every:
            return
        state = dict(make())
        if self.meter is not None:
            state[SPENT] = torch.tensor(self.meter.so_far(), dtype=torch.float64)
        with atomic_path(self._path) as temporary:
            write_tensors(temporary, state, {"sha256": tensors_sha256(state)})
        self._stored_at = time.monotonic()

    def _read(self) -> dict[str, Tensor] | None:
        """Read the file; None if it is missing or its checksum does not match."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self._path, "pt") as file:
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
                written = (file.metadata() or {}).get("sha256")
        except (OSError, SafetensorError):
            return None
        return state if written == tensors_sha256(state) else None

    def clear(self) -> None:
        """Delete the state when the work is finished."""
        self._path.unlink(missing_ok=True)
