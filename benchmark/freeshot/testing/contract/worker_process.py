"""The part of the checks that runs in worker processes: import the class, recreate the world, run one cell."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeshot.plugin.files import PREFIX, import_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from freeshot.contracts.tracks import Track
    from freeshot.plugin.host import Selection


@dataclass(frozen=True)
class Reference:
    """An importable reference to a class."""

    module: str
    name: str
    file: str
    """Path of a single-file plugin; empty for installed ones."""

    @classmethod
    def to(cls, value: type) -> Reference:
        """Refer to a class."""
        file = file_of(value)
        return cls(value.__module__, value.__qualname__, str(file or ""))

    def find(self) -> Any:
        """Import the class."""
        module = import_file(Path(self.file)) if self.file else import_module(self.module)
        return getattr(module, self.name)


def file_of(value: Any) -> Path | None:
    """Return the file of a class from a single-file plugin, or None."""
    module = getattr(value, "__module__", "")
    if not module.startswith(PREFIX):
        return None
    file = sys.modules[module].__file__
    assert file is not None
    return Path(file)


def run_in_worker(
    plugins: Selection, reference: Reference, options: Mapping[str, Any], track: Track, folder: Path
) -> list[float]:
    """Run a cell in a new environment; return its accuracies, or raise its error."""
    from freeshot.contracts.events import CellFailed, Event
    from freeshot.testing.contract import catalogue_with
    from freeshot.testing.contract.method import record_of
    from freeshot.testing.contract.rules import BrokenError

    def hear(event: Event) -> None:
        if isinstance(event, CellFailed):
            raise BrokenError(f"In a worker process: {event.reason}", event.failure)

    method = reference.find()
    catalogue = catalogue_with("method", method, plugins)
    record = record_of(catalogue, method, options, track, Path(tempfile.mkdtemp(dir=folder)), hear)
    return list(record.accuracies)
