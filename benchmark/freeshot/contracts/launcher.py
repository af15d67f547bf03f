"""The interface of launchers, which run a list of independent cells."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from freeshot.contracts.component import Component

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from freeshot.records.models import RunSpec


@dataclass(frozen=True)
class Launcher(Component):
    """Run cells in any order, on any machine; cells are independent, content-addressed and idempotent."""

    kind: ClassVar[str] = "launcher"
    remote: ClassVar[bool] = False
    """Whether cells run on other machines, which may have devices that this one lacks."""

    @abstractmethod
    def launch(self, cells: Sequence[RunSpec], run_cell: Callable[[RunSpec], None]) -> None:
        """Call `run_cell` once for each cell; a failing cell writes its own record and must not stop the others."""
