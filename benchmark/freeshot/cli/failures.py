"""Print why cells failed: each cause once, with the line of the plugin that raised it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from freeshot.basics.failures import excerpt, failure_of, grouped, shown_path
from freeshot.cli.console import print_error, stderr, stdout

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Mapping

    from freeshot.contracts.events import CellFailed

DEBUG = "FREESHOT_DEBUG"
"""Environment variable that has full tracebacks printed."""
NAMED = 5
"""Number of further cells with the same cause that are listed by name."""


def print_failures(failures: Mapping[str, CellFailed], *, full: bool = False) -> None:
    """Print the failures of a run, by the names of their cells; with `full`, the full traceback of each cause."""
    for titles in grouped(failures, lambda title: _cause(failures[title])):
        _print_cause(titles[0], failures[titles[0]], full=full)
        if others := titles[1:]:
            named = "; ".join(others[:NAMED]) + ("; …" if len(others) > NAMED else "")
            count = "1 more cell fails" if len(others) == 1 else f"{len(others)} more cells fail"
            _print_indented(stdout(), (f"{count} for the same reason: {named}",))


def print_plugin_error(error: Exception, packages: Collection[str]) -> bool:
    """Print an exception that plugin code raised outside of a cell; return False if no plugin is involved."""
    failure, full = failure_of(error, packages), bool(os.environ.get(DEBUG))
    if failure.origin is None:
        return False
    print_error(failure.reason)
    _print_indented(stderr(), excerpt(failure, Path.cwd(), whole=full))
    if not full:
        _print_indented(stderr(), (f"{DEBUG}=1 prints the full traceback.",))
    return True


def _print_indented(console: Console, lines: tuple[str, ...]) -> None:
    for line in lines:
        console.print(Text("    " + line), soft_wrap=True)


def _cause(event: CellFailed) -> Hashable:
    return event.failure.cause if event.failure else event.reason


def _print_cause(title: str, event: CellFailed, *, full: bool) -> None:
    status = "violated. " if event.status == "violated" else ""
    stdout().print(Text(f"{title}: {status}{event.reason}", style="red"), soft_wrap=True)
    if event.failure is None:
        return
    here = Path.cwd()
    _print_indented(stdout(), excerpt(event.failure, here, whole=full))
    if event.failure.frames and event.kept and not full:
        _print_indented(stdout(), (f"The full traceback is in {shown_path(event.kept, here)}; --traceback prints it.",))
