"""`freeshot cache`: see what the cache holds, and remove what is not used any more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from freeshot.cli.console import stdout, table
from freeshot.cli.group import HelpfulGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from freeshot.run.caches import Kept

CACHE = click.option(
    "--cache", type=click.Path(path_type=Path), default=Path(".freeshot"), help="The folder given to run."
)


@click.group("cache", cls=HelpfulGroup)
def command() -> None:
    """Show what can be reused, and remove some of it; whatever is removed is made again when it is needed."""


@command.command("list")
@CACHE
def list_(cache: Path) -> None:
    """List by kind how many things are kept, how large they are and when one was last used."""
    from freeshot.run.caches import kept_in

    _print(kept_in(cache), f"The cache {cache} is empty.")


@command.command("prune")
@CACHE
@click.option("--older-than", metavar="AGE", help="Only what was not used for so long: 90m, 12h, 30d, 2w.")
@click.option("--kind", "kinds", multiple=True, metavar="NAME", help="Only this kind; repeatable.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def prune(cache: Path, older_than: str | None, kinds: tuple[str, ...], dry_run: bool) -> None:
    """Remove what is old or of one kind; nothing outside of the cache, and no link, is ever touched."""
    import time

    from freeshot.run.caches import kept_in, seconds_of, to_prune
    from freeshot.run.caches import prune as remove

    age = None if older_than is None else seconds_of(older_than)
    chosen = to_prune(kept_in(cache), kinds, age, time.time())
    _print(chosen, "Nothing is that old.")
    if not chosen:
        return
    if not dry_run:
        remove(chosen)
    done = "would be removed" if dry_run else "removed"
    stdout().print(f"{_size(sum(one.bytes for one in chosen))} {done}.")


def _print(kept: Sequence[Kept], nothing: str) -> None:
    import time

    from freeshot.run.caches import age, kinds_of

    if not kept:
        stdout().print(nothing, soft_wrap=True)
        return
    now = time.time()
    rows = [(kind.name, str(kind.count), _size(kind.bytes), age(now - kind.used)) for kind in kinds_of(kept)]
    table(stdout(), rows, heads=("kind", "count", "size", "last used"))


def _size(count: int) -> str:
    """Write bytes as a person says them: '940 B', '12.3 MB'."""
    if count < 1000:
        return f"{count} B"
    for unit, name in ((10**3, "kB"), (10**6, "MB"), (10**9, "GB")):
        if count < 1000 * unit or name == "GB":
            return f"{count / unit:.1f} {name}"
    raise AssertionError
