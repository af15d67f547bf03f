"""Components: frozen dataclasses whose fields are their options.

A field defines default, type, command-line option, help text, and its entry in run hash and record. The string
under a field is its help, as printed by `freeshot show NAME`.
"""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class Component(ABC):
    """Base class of everything a plugin contributes as a class."""

    kind: ClassVar[str]
    """Set by each interface: 'method', 'meta-learner', …"""
    name: ClassVar[str] = ""
    """Lower-case with hyphens; selects the component on the command line."""
    citation: ClassVar[str] = ""
    """The source of the method or data, as a citation."""

    def require_ready(self) -> None:
        """Raise a FreeshotError if a required file or package is missing; called before a run starts."""

    @classmethod
    def summary(cls) -> str:
        """Return the first line of the docstring."""
        return (cls.__doc__ or "").strip().partition("\n")[0]


def added(default: Any) -> Any:
    """Declare an option that was introduced after records were published: `l2: float = added(0.0)`.

    Its default must not change results. Hashes leave the option out while it has its default value, so that earlier
    records and artefacts keep their cell.
    """
    return field(default=default, metadata={"added": True})


@dataclass(frozen=True)
class Choice:
    """A component selected by name, with its own options: `-o learner=reptile -o learner.pace=0.2`."""

    kind: str
    """Kind of the component, 'meta-learner'."""
    name: str
    """Name of the component, 'reptile'."""
    options: tuple[tuple[str, object], ...] = ()
    """Sorted (option, value) pairs that differ from the component's defaults."""

    def with_options(self, **options: object) -> Choice:
        """Return a copy with these options set."""
        merged = dict(self.options) | options
        return Choice(self.kind, self.name, tuple(sorted(merged.items())))
