"""Checkpoints of long-running work, so that an interrupted run resumes instead of restarting."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor


class Checkpoint:
    """A checkpoint that stores nothing; the harness passes one that stores the latest state in a file."""

    def load(self) -> Mapping[str, Tensor] | None:
        """Return the latest stored state, or None to start from the beginning."""
        return None

    def offer(self, make: Callable[[], Mapping[str, Tensor]]) -> None:
        """Store the result of `make()` if the stored state is old enough; cheap to call at every step."""
