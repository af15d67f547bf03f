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
    """Return the classes, tracks and columns meant by a component's name, a plugin's name, a file, or a folder."""
    folder = Path(name)
    file = _file_of(name)
    if file is not None:
        name = _taken_in(session, file)
    catalogue = session.catalogue
    catalogue.ask_everything()
    _require_loaded(session, name)
    if clashes := catalogue.clashes(name):
        raise PluginError(" ".join(clashes))
    offers = _offers(catalogue)
    found = [value for own, plugin, value in offers if name in (own, plugin)]
    if not found:
        if name in {info.name for info in session.host.loaded}:
            raise PluginError(
                f"The plugin '{name}' offers nothing that has a contract. Check one of its parts by name."
            )
        if folder.is_dir():
            raise PluginError(
                f"{folder} is a folder that does not hold one single freeshot_….py. Name the plugin's file, or install "
                f"the folder with 'pip install -e {folder}' and name the plugin."
            )
        raise unknown_name(
            "component or plugin", name, sorted({part for own, plugin, _ in offers for part in (own, plugin)})
        )
    return found


def _file_of(name: str) -> Path | None:
    """Return the file that is meant: the one named, or the module of a folder that `freeshot plugin new` wrote."""
    if name.endswith(".py"):
        return Path(name)
    modules = list(Path(name).glob("freeshot_*.py"))
    return modules[0] if len(modules) == 1 else None


def _taken_in(session: Session, file: Path) -> str:
    """Load a file, unless it is that of a plugin that is there already, and return what the plugin is called."""
    host = session.host
    for info in host.loaded:
        known = getattr(host.manager.get_plugin(info.name), "__file__", None)
        if known is not None and Path(known).resolve() == file.resolve():
            return info.name
    session.take_in([file])
    return file.stem


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
