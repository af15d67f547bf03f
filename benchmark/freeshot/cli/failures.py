"""Print why cells failed: each cause once, with the line of the plugin that raised it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from freeshot.basics.failures import excerpt, failure_of, grouped, shown_path
from freeshot.cli.console import print_error, stderr

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Mapping

    from rich.console import Console

    from freeshot.contracts.events import CellFailed

DEBUG = "FREESHOT_DEBUG"
"""Environment variable that has full tracebacks printed."""
NAMED = 5
"""Number of further cells with the same cause that are listed by name."""


def print_failures(console: Console, failures: Mapping[str, CellFailed], *, full: bool = False) -> None:
    """Print the failures of a run, by the names of their cells; with `full`, the full traceback of each cause."""
    for titles in grouped(failures, lambda title: _cause(failures[title])):
        _print_one(console, titles[0], failures[titles[0]], full=full)
        _print_more(console, titles[1:])


def print_plugin_error(error: Exception, packages: Collection[str]) -> bool:
    """Print an exception that plugin code raised outside of a cell; return False if no plugin is involved."""
    failure, full = failure_of(error, packages), bool(os.environ.get(DEBUG))
    if failure.origin is None:
        return False
    print_error(failure.reason)
    print_excerpt(stderr(), excerpt(failure, Path.cwd(), whole=full))
    if not full:
        print_excerpt(stderr(), (f"{DEBUG}=1 prints the full traceback.",))
    return True


def print_excerpt(console: Console, lines: tuple[str, ...], indent: str = "    ") -> None:
    """Print the lines of an excerpt, indented."""
    from rich.text import Text

    for line in lines:
        console.print(Text(indent + line), soft_wrap=True)


def _cause(event: CellFailed) -> Hashable:
    return event.failure.cause if event.failure else event.reason


def _print_one(console: Console, title: str, event: CellFailed, *, full: bool) -> None:
    from rich.text import Text

    status = "violated. " if event.status == "violated" else ""
    console.print(Text(f"{title}: {status}{event.reason}", style="red"), soft_wrap=True)
    if event.failure is None:
        return
    here = Path.cwd()
    print_excerpt(console, excerpt(event.failure, here, whole=full))
    if event.failure.frames and event.kept and not full:
        print_excerpt(console, (f"The full traceback is in {shown_path(event.kept, here)}; --traceback prints it.",))


def _print_more(console: Console, titles: list[str]) -> None:
    if not titles:
        return
    named = "; ".join(titles[:NAMED]) + ("; …" if len(titles) > NAMED else "")
    count = "1 more cell fails" if len(titles) == 1 else f"{len(titles)} more cells fail"
    print_excerpt(console, (f"{count} for the same reason: {named}",))
