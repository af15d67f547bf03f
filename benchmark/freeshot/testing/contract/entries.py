"""Printed form of a report: each rule on a line, and each cause of failure once, followed by the plugin's line."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path

from freeshot.basics.failures import excerpt, grouped
from freeshot.testing.contract.rules import Line, Report


@dataclass(frozen=True)
class Entry:
    """One rule with its printed lines."""

    good: bool
    text: str
    """The rule's title, and the advice if it is broken."""
    details: tuple[str, ...] = ()
    """Lines below it: the location of the plugin's error, and other rules that fail for the same reason."""

    @property
    def mark(self) -> str:
        """The mark before the text."""
        return "  ✓ " if self.good else "  ✗ "

    @property
    def lines(self) -> tuple[str, ...]:
        """All lines, as printed without colours."""
        return (self.mark + self.text, *(f"      {line}" for line in self.details))


def entries(report: Report, *, whole: bool = False) -> tuple[Entry, ...]:
    """List the rules of a report in order.

    Rules that fail for the same reason as an earlier one are grouped with it.
    """
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
