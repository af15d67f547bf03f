"""The contract kit: `freeshot.testing.check(Mine)` in a test, `freeshot plugin check mine` on the command line.

Every rule passes or says in a sentence what to change. It runs on a CPU in well under a minute.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import PluginError

if TYPE_CHECKING:
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.plugin.host import Selection
    from freeshot.testing.contract.rules import Report


def report_on(
    value: Any, options: dict[str, Any] | None = None, data: Path | None = None, plugins: Selection | None = None
) -> Report:
    """Examine a component class, a track or a column, and say how every rule came out.

    `plugins` are those that are loaded beside it, with the data sets of the folder `data`; the installed ones if None.
    """
    from freeshot.testing.contract.book import RULES
    from freeshot.testing.contract.rules import Subject, examine
    from freeshot.testing.contract.world import World

    kind, folder = kind_of(value), data or Path("data")
    with tempfile.TemporaryDirectory(prefix="freeshot-check-") as scratch:
        world = World(Path(scratch), catalogue_with(kind, value, plugins, folder))
        return examine(Subject(kind, value, options or {}, world, folder), RULES)


def check(value: Any, data: Path | None = None, **options: Any) -> None:
    """Examine a component class, a track or a column; AssertionError with the whole list where a rule is broken.

    `options` are set for the examination where the defaults cannot run, such as a weights file of your own.
    """
    report = report_on(value, options, data)
    assert report.passed, f"\n{report}"


def kind_of(value: Any) -> str:
    """Say of which kind a class or value is; PluginError where it is of none."""
    from freeshot.contracts.columns import Column
    from freeshot.contracts.tracks import Track
    from freeshot.plugin.kinds import KINDS

    if isinstance(value, Track):
        return "track"
    if isinstance(value, Column):
        return "column"
    for kind in KINDS.values():
        if isinstance(value, type) and issubclass(value, kind.interface):
            return kind.name
    raise PluginError(f"{value!r} is no component class, track or column. Name one that derives from freeshot's.")


def catalogue_with(kind: str, value: Any, plugins: Selection | None = None, data: Path | None = None) -> Catalogue:
    """Load the plugins, the contract world, and what is examined, unless one of the plugins offers it already."""
    from types import ModuleType

    from freeshot.data.own import offer_own
    from freeshot.plugin import hookimpl
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.plugin.host import PluginInfo, Selection
    from freeshot.plugin.kinds import KINDS
    from freeshot.testing.contract.workers import file_of
    from freeshot.testing.contract.world import offer_world

    catalogue = Catalogue((plugins or Selection()).load())
    offer_world(catalogue)
    if data is not None and (data / "own").is_dir():
        offer_own(catalogue.host, data)
    file = file_of(value)
    if file is not None and file.absolute() not in catalogue.host.selection.files:
        catalogue.host.load_file(file)
        return catalogue
    installed = Catalogue(catalogue.host)  # asks for itself, so that what is offered below is still seen
    name = str(getattr(value, "name", ""))
    if kind in KINDS and name not in installed.names(kind):
        plugin: Any = ModuleType("examined")

        def offered() -> list[Any]:
            return [value]

        setattr(plugin, KINDS[kind].hook, hookimpl(offered))
        catalogue.host.register(plugin, PluginInfo("examined", "examined", ""))
    return catalogue
