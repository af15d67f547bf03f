"""`freeshot cache`: list and delete cached intermediate results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import rich_click as click
from rich.filesize import decimal

from freeshot.cache.admin import CacheItem
from freeshot.cli.console import print_line, stdout, table
from freeshot.cli.group import HelpfulGroup
from freeshot.cli.options import cache_folder


@click.group("cache", cls=HelpfulGroup)
def command() -> None:
    """List or delete cached intermediate results; they are recomputed when needed."""


@command.command("list")
@cache_folder
def list_(cache: Path) -> None:
    """List number, size and last use of the cached results by kind."""
    from freeshot.cache.admin import list_items

    _print(list_items(cache), f"The cache {cache} is empty.")


@command.command("prune")
@cache_folder
@click.option("--older-than", metavar="AGE", help="Delete results last used longer ago: 90m, 12h, 30d, 2w.")
@click.option("--kind", "-k", "kinds", multiple=True, metavar="NAME", help="Delete only this kind. Repeatable.")
@click.option("--dry-run", is_flag=True, help="List what would be deleted.")
def prune(cache: Path, older_than: str | None, kinds: tuple[str, ...], dry_run: bool) -> None:
    """Delete cached results by age or kind. Files outside the cache, and links, are never touched."""
    import time

    from freeshot.cache.admin import list_items, seconds_of, to_prune
    from freeshot.cache.admin import prune as delete

    age = None if older_than is None else seconds_of(older_than)
    chosen = to_prune(list_items(cache), kinds, age, time.time())
    _print(chosen, "No cached result is that old.")
    if not chosen:
        return
    if not dry_run:
        delete(chosen)
    done = "would be deleted" if dry_run else "deleted"
    stdout().print(f"{_size(sum(entry.bytes for entry in chosen))} {done}.")


def _print(entries: Sequence[CacheItem], nothing: str) -> None:
    import time

    from freeshot.cache.admin import age, totals_by_kind

    if not entries:
        print_line(nothing)
        return
    now = time.time()
    rows = [(kind.name, str(kind.count), _size(kind.bytes), age(now - kind.used)) for kind in totals_by_kind(entries)]
    table(rows, heads=("kind", "count", "size", "last used"))


def _size(count: int) -> str:
    """Format a number of bytes: '940 B', '12.3 MB'."""
    return decimal(count).replace("bytes", "B")
