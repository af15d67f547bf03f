"""What the verbs share: plugins are loaded when a verb first needs them, and what failed is told once."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from freeshot.cli.console import tell_warning

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from freeshot.plugin.catalogue import Catalogue
    from freeshot.plugin.host import Host, PluginFailure


class Session:
    """One call of the command line."""

    def __init__(self, without: frozenset[str] = frozenset(), files: tuple[Path, ...] = ()) -> None:
        self.without = without
        self._files = files
        self.data = Path("data")
        self._told: set[PluginFailure] = set()

    @cached_property
    def host(self) -> Host:
        """The loaded plugins."""
        from freeshot.plugin.host import load_plugins

        host = load_plugins(without=self.without)
        for file in self._files:
            host.load_file(file)
        return host

    def take_in(self, files: Sequence[Path]) -> None:
        """Load more plugins that are one file each, before anything is asked of the catalogue."""
        for file in files:
            self.host.load_file(file)

    def use_data(self, folder: Path) -> None:
        """Take people's own data sets from this folder, before anything is asked of the catalogue."""
        self.data = folder

    @cached_property
    def catalogue(self) -> Catalogue:
        """What the plugins offer, and the data sets that were added to the data folder."""
        from freeshot.plugin.catalogue import Catalogue

        if (self.data / "own").is_dir():
            from freeshot.data.own import offer_own

            offer_own(self.host, self.data)
        return Catalogue(self.host)

    @cached_property
    def foreign_commands(self) -> dict[str, click.Command]:
        """The commands that plugins add."""
        from freeshot.cli.foreign import collect_commands

        return collect_commands(self.host)

    def take_failures(self) -> tuple[PluginFailure, ...]:
        """Return the failures that nobody was told of yet, and count them as told."""
        if "host" not in vars(self):
            return ()  # no verb needed a plugin
        fresh = tuple(failure for failure in self.host.failures if failure not in self._told)
        self._told.update(fresh)
        return fresh

    def warn(self) -> None:
        """Print one yellow line for each new failure."""
        for failure in self.take_failures():
            tell_warning(failure.line)


def plugin_files(*, is_eager: bool = False) -> Callable[[Any], Any]:
    """Make the option that names plugins of one file each."""
    return click.option(
        "--plugin",
        "files",
        multiple=True,
        metavar="FILE",
        type=click.Path(path_type=Path),
        is_eager=is_eager,
        help="Load a plugin that is one file; may be given more than once.",
    )


def whole_traceback() -> Callable[[Any], Any]:
    """Make the option that prints the whole traceback where a plugin raised."""
    return click.option(
        "--traceback",
        "whole",
        is_flag=True,
        envvar="FREESHOT_DEBUG",
        help="Print the whole traceback of every error; FREESHOT_DEBUG=1 does the same.",
    )


def pools_folder() -> Callable[[Any], Any]:
    """Make the option that names the folder of a person's own pools."""
    return click.option(
        "--pools",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("pools"),
        help="Where your pools are.",
    )


def assumed_rate() -> Callable[[Any], Any]:
    """Make the option by which a forecast is told another machine's speed."""
    return click.option(
        "--rate",
        metavar="FLOPS",
        type=click.FloatRange(min=0, min_open=True),
        help="With --dry-run: assume so many operations per second, such as 1e13, instead of measuring here.",
    )


def session_of(ctx: click.Context) -> Session:
    """Return the session of a call; at `--help` the command has not run yet, so it may have to be made."""
    root = ctx.find_root()
    if root.obj is None:
        root.obj = Session(frozenset(root.params.get("without") or ()), tuple(root.params.get("files") or ()))
    session: Session = root.obj
    return session
