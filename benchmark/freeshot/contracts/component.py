"""A component is a frozen dataclass whose fields are its options.

One definition gives default, type, command-line option, help text, run hash and record. The string
under a field is its help, as in `freeshot show NAME`.
"""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class Component(ABC):
    """Base of everything a plugin can contribute as a class."""

    kind: ClassVar[str]
    """Set by each interface: 'method', 'meta-learner', …"""
    name: ClassVar[str] = ""
    """Lower-case with hyphens; how people call this component."""
    citation: ClassVar[str] = ""
    """Where it comes from."""

    def require_ready(self) -> None:
        """Raise a FreeshotError where a file or package is missing that this needs; asked before a run begins."""

    @classmethod
    def summary(cls) -> str:
        """Return the first line of the docstring."""
        return (cls.__doc__ or "").strip().partition("\n")[0]


def added(default: Any) -> Any:
    """Declare an option that came after records were published: `l2: float = added(0.0)`.

    Its default must change nothing. Where it stands at it, hashes leave it out, so that earlier records and
    artefacts are still those of the same cell.
    """
    return field(default=default, metadata={"added": True})


@dataclass(frozen=True)
class Choice:
    """A component chosen by name, with options of its own: `-o learner=reptile -o learner.pace=0.2`."""

    kind: str
    """Of what, 'meta-learner'."""
    name: str
    """Of the component, 'reptile'."""
    options: tuple[tuple[str, object], ...] = ()
    """Sorted (option, value) pairs that differ from the component's defaults."""

    def with_options(self, **options: object) -> Choice:
        """Return the same choice with these options set."""
        merged = dict(self.options) | options
        return Choice(self.kind, self.name, tuple(sorted(merged.items())))
