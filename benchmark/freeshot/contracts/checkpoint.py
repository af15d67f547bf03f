"""Where long work leaves its state, so that a killed run continues instead of beginning again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor


class Checkpoint:
    """Keep nothing; what the harness hands out keeps the last state in a file."""

    def load(self) -> Mapping[str, Tensor] | None:
        """Return the last state kept, or None to begin."""
        return None

    def offer(self, make: Callable[[], Mapping[str, Tensor]]) -> None:
        """Keep what `make()` returns, if the last state kept is old enough; call it as often as you like."""
