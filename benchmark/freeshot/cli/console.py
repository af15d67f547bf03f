"""Print results to stdout, errors and warnings to stderr; colours on a terminal only.

Text may come from untrusted records or plugins, so it goes through `one_line`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from freeshot.basics.text import one_line, printable

PIPE_WIDTH = 160


def stdout() -> Console:
    """Open the console for results; wide in a pipe, so that `grep` gets unbroken lines."""
    console = Console(highlight=False, soft_wrap=False, emoji=False, markup=False)
    if not (sys.stdout.isatty() or console.is_jupyter or "COLUMNS" in os.environ):
        console.width = PIPE_WIDTH
    return console


def print_line(text: str) -> None:
    """Print a line to stdout; the terminal wraps it, so that it can be copied as one line."""
    stdout().print(Text(printable(text)), soft_wrap=True)


def print_error(sentence: str) -> None:
    """Print an error in red to stderr."""
    stderr().print(Text(one_line(f"Error: {sentence}"), style="red"), soft_wrap=True)


def print_warning(sentence: str) -> None:
    """Print a warning in yellow to stderr."""
    stderr().print(Text(one_line(sentence), style="yellow"), soft_wrap=True)


def table(
    rows: Iterable[Sequence[str]], heads: Sequence[str] = (), title: str = "", console: Console | None = None
) -> None:
    """Print rows in aligned columns without borders; the first column is never wrapped."""
    console, rows = console or stdout(), list(rows)
    if title:
        console.print(Text(title, style="bold"))
    grid = Table(box=None, show_header=bool(heads), header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for index in range(len(heads) or max(map(len, rows), default=0)):
        style = "cyan" if index == 0 else None
        grid.add_column(heads[index] if heads else "", no_wrap=index == 0, overflow="fold", style=style)
    for row in rows:
        indents = (cell[: len(cell) - len(cell.lstrip(" "))] for cell in row)  # `one_line` removes leading blanks
        grid.add_row(*(Text(indent + one_line(cell)) for indent, cell in zip(indents, row, strict=True)))
    console.print(grid)


def print_finding(text: str, *, severe: bool) -> None:
    """Print one finding of a check, marked ✗ if severe and · otherwise."""
    mark = Text("✗ ", style="red") if severe else Text("· ", style="yellow")
    stdout().print(mark + Text(one_line(text)), soft_wrap=True)


def duration(seconds: float) -> str:
    """Format a duration: '8 s', '2 min 05 s', '1 h 02 min', '389 h'."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min" if whole < 100 * 3600 else f"{whole // 3600:,} h"


def p_value(value: float) -> str:
    """Format a p-value with three decimals."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def stderr() -> Console:
    """Open the console for errors and warnings."""
    return Console(stderr=True, highlight=False)
