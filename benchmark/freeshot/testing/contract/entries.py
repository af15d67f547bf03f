"""How a report is read: each rule on a line, and each cause of failure once, with the plugin's line below it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from freeshot.basics.excerpts import excerpt, grouped

if TYPE_CHECKING:
    from collections.abc import Hashable

    from freeshot.testing.contract.rules import Line, Report


@dataclass(frozen=True)
class Entry:
    """One rule with what is printed for it."""

    good: bool
    text: str
    """The rule's title, and what to change where it is broken."""
    details: tuple[str, ...] = ()
    """Lines below it: where the plugin raised, and which other rules fail for the same reason."""

    @property
    def mark(self) -> str:
        """What stands before the text."""
        return "  ✓ " if self.good else "  ✗ "

    @property
    def lines(self) -> tuple[str, ...]:
        """All lines, as a terminal without colours shows them."""
        return (self.mark + self.text, *(f"      {line}" for line in self.details))


def entries(report: Report, *, whole: bool = False) -> tuple[Entry, ...]:
    """List the rules of a report in order; rules that fail for an earlier one's reason are listed with that one."""
    return tuple(_entry(group[0], group[1:], whole=whole) for group in grouped(report.lines, _cause))


def _cause(line: Line) -> Hashable:
    if not line.advice:
        return line.title
    return line.failure.cause if line.failure else line.advice


def _entry(line: Line, others: list[Line], *, whole: bool) -> Entry:
    if not line.advice:
        return Entry(good=True, text=line.title)
    details = excerpt(line.failure, Path.cwd(), whole=whole) if line.failure else ()
    if others:
        count = "1 more rule fails" if len(others) == 1 else f"{len(others)} more rules fail"
        details += (f"{count} for the same reason: {'; '.join(other.title for other in others)}",)
    return Entry(good=False, text=f"{line.title}: {line.advice}", details=details)
