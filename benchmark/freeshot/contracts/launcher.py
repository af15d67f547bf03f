"""The interface of launchers, which run a list of independent cells."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from freeshot.contracts.component import Component


@dataclass(frozen=True)
class Launcher(Component):
    """Run cells in any order, on any machine; cells are independent, content-addressed and idempotent."""

    kind: ClassVar[str] = "launcher"
    remote: ClassVar[bool] = False
    """Whether cells run on other machines, which may have devices that this one lacks."""

    @property
    def processes(self) -> int:
        """Number of processes among which the work of a single cell may be shared."""
        return 1

    @abstractmethod
    def launch(self, cells: Sequence[Any], run_cell: Callable[[Any], None]) -> None:
        """Call `run_cell` once for each cell; a failing cell writes its own record and must not stop the others.

        Both can be pickled and used in any process that can read the same folders.
        """
