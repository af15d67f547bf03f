"""Contract checks: `freeshot.testing.check(Mine)` in a test, `freeshot plugin check mine` on the command line.

Every rule passes or returns advice in one sentence. All checks run on a CPU in well under a minute.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import PluginError
from freeshot.contracts.leaderboard import Column
from freeshot.contracts.tracks import Track
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.files import file_of
from freeshot.plugin.host import PluginInfo, Selection
from freeshot.plugin.kinds import KINDS

if TYPE_CHECKING:
    from freeshot.testing.contract.rules import Report


def report_on(
    value: Any, options: dict[str, Any] | None = None, data: Path | None = None, plugins: Selection | None = None
) -> Report:
    """Check a component class, a track or a column, and report the result of every rule.

    `plugins` are loaded together with it, with the data sets of the folder `data`; the installed ones if None.
    """
    from freeshot.testing.contract.all_rules import RULES
    from freeshot.testing.contract.fixtures import World
    from freeshot.testing.contract.rules import Subject, examine

    kind, folder = kind_of(value), data or Path("data")
    with tempfile.TemporaryDirectory(prefix="freeshot-check-") as scratch:
        world = World(Path(scratch), catalogue_with(value, plugins, folder))
        return examine(Subject(kind, value, options or {}, world, folder), RULES)


def check(value: Any, data: Path | None = None, **options: Any) -> None:
    """Check a component class, a track or a column; AssertionError with the report if a rule is broken.

    `options` are set during the check if the defaults cannot run, such as your own weights file.
    """
    report = report_on(value, options, data)
    assert report.passed, f"\n{report}"


def kind_of(value: Any) -> str:
    """Return the kind of a class or value; PluginError if it has none."""
    if isinstance(value, Track):
        return "track"
    if isinstance(value, Column):
        return "column"
    for kind in KINDS.values():
        if isinstance(value, type) and issubclass(value, kind.type):
            return kind.name
    raise PluginError(f"{value!r} is not a component class, track or column. Derive a class from one of freeshot's.")


def catalogue_with(value: Any, plugins: Selection | None = None, data: Path | None = None) -> Catalogue:
    """Load the plugins, the contract world, and the checked class, unless a plugin already provides it."""
    from freeshot.data.user_dataset import register_user_datasets
    from freeshot.testing.contract.fixtures import ContractWaves, FrozenBackbone

    host = (plugins or Selection()).load()
    world = {"freeshot_datasets": [ContractWaves], "freeshot_methods": [FrozenBackbone]}
    host.provide(PluginInfo("contract-world", "freeshot", ""), **world)
    if data is not None and (data / "own").is_dir():
        register_user_datasets(host, data)
    file = file_of(value)
    if file is not None and file.absolute() not in host.selection.files:
        host.load_file(file)
    elif isinstance(value, type):
        kind, name = kind_of(value), str(getattr(value, "name", ""))
        if name not in Catalogue(host).names(kind):  # a separate catalogue, because it caches hook results
            host.provide(PluginInfo("examined", "examined", ""), **{KINDS[kind].hook: [value]})
    return Catalogue(host)
