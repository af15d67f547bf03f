"""What a name on the command line stands for where a plugin, a part of one, or a file can be meant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import PluginError
from freeshot.basics.names import unknown_name
from freeshot.plugin.kinds import KINDS

if TYPE_CHECKING:
    from freeshot.cli.session import Session
    from freeshot.plugin.catalogue import Catalogue


def examined(session: Session, name: str) -> list[Any]:
    """Return the classes, tracks and columns meant by a component's name, a plugin's name, or a file."""
    if name.endswith(".py"):
        session.take_in([Path(name)])
        name = Path(name).stem
    catalogue = session.catalogue
    catalogue.ask_everything()
    _require_loaded(session, name)
    offers = _offers(catalogue)
    found = [value for own, plugin, value in offers if name in (own, plugin)]
    if not found:
        if name in {info.name for info in session.host.loaded}:
            raise PluginError(
                f"The plugin '{name}' offers nothing that has a contract. Check one of its parts by name."
            )
        raise unknown_name(
            "component or plugin", name, sorted({part for own, plugin, _ in offers for part in (own, plugin)})
        )
    return found


def _require_loaded(session: Session, name: str) -> None:
    failed = [failure.line for failure in session.take_failures() if failure.name == name]
    if failed:
        raise PluginError(" ".join(failed))


def _offers(catalogue: Catalogue) -> list[tuple[str, str, Any]]:
    """List name, plugin and value of everything that has a contract."""
    found: list[tuple[str, str, Any]] = []
    for kind in KINDS:
        found += [(name, registered.plugin, registered.cls) for name, registered in catalogue.classes(kind).items()]
    found += [(name, catalogue.plugin_of("track", name), track) for name, track in catalogue.tracks().items()]
    found += [(title, plugin, column) for title, plugin, column in catalogue.columns_by_plugin()]
    return found
