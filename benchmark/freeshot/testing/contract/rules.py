"""Rules, their application (each passes, or returns advice in one sentence), and the report as printed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import FreeshotError
from freeshot.basics.failures import Failure, excerpt, failure_of, grouped

if TYPE_CHECKING:
    from freeshot.testing.contract.fixtures import World

CLASSES = ("inversion", "strategy", "meta-learner", "method", "dataset", "backbone", "launcher")
"""Kinds whose plugins are classes."""


class BrokenError(Exception):
    """A rule is broken; the text is the advice. `failure` is the exception of a run on the way, if any."""

    def __init__(self, advice: str, failure: Failure | None = None) -> None:
        super().__init__(advice, failure)
        self.advice, self.failure = advice, failure

    def __str__(self) -> str:
        return self.advice


@dataclass(frozen=True, eq=False)
class Subject:
    """The object of a check: a component class with options, or a value such as a track."""

    kind: str
    value: Any
    options: Mapping[str, Any]
    world: World
    data: Path
    """The user's data folder, for data sets that read files."""

    def make(self) -> Any:
        """Construct a new component with its options."""
        from freeshot.contracts.component import build

        return build(self.value, self.options)

    @cached_property
    def name(self) -> str:
        """Name of the subject."""
        return str(getattr(self.value, "name", "") or getattr(self.value, "title", "") or self.value)


@dataclass(frozen=True)
class Rule:
    """A requirement, for the kinds it applies to."""

    title: str
    kinds: tuple[str, ...]
    hold: Callable[[Subject], None]
    first: bool = False
    """All others depend on it, so the check stops if it fails."""
    last: bool = False
    """It is expensive, so it is checked only if nothing else failed."""


@dataclass(frozen=True)
class Line:
    """The result of one rule."""

    title: str
    advice: str = ""
    """The advice; empty if the rule holds."""
    failure: Failure | None = None
    """The exception, if the rule failed by one."""


@dataclass(frozen=True)
class Report:
    """The results of all rules of a kind for one subject."""

    subject: str
    lines: tuple[Line, ...]

    @property
    def passed(self) -> bool:
        """True if every rule holds."""
        return not any(line.advice for line in self.lines)

    def __str__(self) -> str:
        return "\n".join([self.subject, *(line for entry in entries(self) for line in entry.lines)])


def rule(
    title: str, *kinds: str, first: bool = False, last: bool = False
) -> Callable[[Callable[[Subject], None]], Rule]:
    """Decorate a function, which raises BrokenError if it is violated, as a rule for some kinds."""
    return lambda hold: Rule(title, kinds, hold, first, last)


def examine(subject: Subject, rules: Sequence[Rule]) -> Report:
    """Apply every rule of the subject's kind."""
    lines: list[Line] = []
    for requirement in rules:
        if subject.kind not in requirement.kinds or (requirement.last and any(line.advice for line in lines)):
            continue
        lines.append(_applied(requirement, subject))
        if requirement.first and lines[-1].advice:
            break
    return Report(f"{subject.kind} '{subject.name}'", tuple(lines))


def _applied(requirement: Rule, subject: Subject) -> Line:
    try:
        requirement.hold(subject)
    except BrokenError as broken:
        return Line(requirement.title, broken.advice, broken.failure)
    except Exception as error:  # noqa: BLE001 - third-party code may raise anything; the report shows what and where
        failure = failure_of(error, subject.world.catalogue.host.packages)
        advice = failure.reason if isinstance(error, FreeshotError) else f"It raised {failure.reason}."
        return Line(requirement.title, advice, failure)
    return Line(requirement.title)


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
