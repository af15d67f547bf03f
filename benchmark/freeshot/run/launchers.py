"""The launcher that is always there; it enters through the same door as a stranger's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot.contracts.launcher import Launcher
from freeshot.plugin import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from freeshot.contracts.records import RunSpec


@dataclass(frozen=True)
class LocalLauncher(Launcher):
    """Run cells one after the other in this process, which may use all of its cores."""

    name = "local"

    def launch(self, cells: Sequence[RunSpec], run_cell: Callable[[RunSpec], None]) -> None:
        """Run each cell in turn."""
        for cell in cells:
            run_cell(cell)


@hookimpl
def freeshot_launchers() -> list[type[Launcher]]:
    """Offer the local launcher."""
    return [LocalLauncher]
