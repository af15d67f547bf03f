"""A new launcher, which runs the cells of a grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from freeshot import Launcher, hookimpl


@dataclass(frozen=True)
class Mine(Launcher):
    """Run the cells one by one, the last one first; submit them to your cluster instead."""

    name = "mine"

    def launch(self, cells: Sequence[Any], run_cell: Callable[[Any], None]) -> None:
        """Call `run_cell` once for each cell; cells do not depend on each other."""
        for cell in reversed(cells):
            run_cell(cell)


@hookimpl
def freeshot_launchers() -> list[type[Launcher]]:
    """Register it: `--launcher mine`."""
    return [Mine]
