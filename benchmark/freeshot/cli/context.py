"""State of one command-line call: plugins are loaded on first use, and each plugin failure is printed once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import rich_click as click

from freeshot.cli.console import print_warning
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import Host, PluginFailure


class Session:
    """One call of the command line."""

    def __init__(self, without: frozenset[str] = frozenset(), files: tuple[Path, ...] = ()) -> None:
        self.without = without
        self._files = files
        self.data = Path("data")
        self.plugin_commands: dict[str, click.Command] | None = None
        """The commands that plugins add; None until they were collected."""
        self._reported: set[PluginFailure] = set()

    @cached_property
    def host(self) -> Host:
        """The loaded plugins."""
        from freeshot.plugin.host import load_plugins

        host = load_plugins(without=self.without)
        for file in self._files:
            host.load_file(file)
        return host

    @cached_property
    def catalogue(self) -> Catalogue:
        """Everything the plugins provide, and the data sets that were added to the data folder."""
        from freeshot.plugin.catalogue import Catalogue

        if (self.data / "own").is_dir():
            from freeshot.data.user_dataset import register_user_datasets

            register_user_datasets(self.host, self.data)
        return Catalogue(self.host)

    def take_failures(self) -> tuple[PluginFailure, ...]:
        """Return the failures that were not reported yet, and mark them as reported."""
        if "host" not in vars(self):
            return ()  # no verb needed a plugin
        fresh = tuple(failure for failure in self.host.failures if failure not in self._reported)
        self._reported.update(fresh)
        return fresh

    def warn(self) -> None:
        """Print one yellow line for each new failure."""
        for failure in self.take_failures():
            print_warning(failure.line)


def session_of(ctx: click.Context, files: Sequence[Path] = (), data: Path | None = None) -> Session:
    """Return the session of a call; load single-file plugins and set the data folder before the catalogue is used."""
    root = ctx.find_root()
    if root.obj is None:  # --help runs before the main command
        root.obj = Session(frozenset(root.params.get("without") or ()), tuple(root.params.get("files") or ()))
    session: Session = root.obj
    for file in files:
        session.host.load_file(file)
    session.data = session.data if data is None else data
    return session
