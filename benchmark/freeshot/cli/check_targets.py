"""Resolve the argument of `freeshot plugin check`: a component, a plugin, a file or a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from freeshot.basics.errors import FreeshotError, PluginError
from freeshot.basics.suggestions import unknown_name
from freeshot.cli.context import Session
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.kinds import KINDS


def examined(session: Session, name: str) -> list[Any]:
    """Return the classes, tracks and columns of a component, a plugin, a file or a folder."""
    folder, file = Path(name), _file_of(name)
    if file is not None:
        name = _load(session, file)
    catalogue = session.catalogue
    catalogue.call_every_hook()
    _require_loaded(session, name)
    if clashes := catalogue.clashes(name):
        raise PluginError(" ".join(clashes))
    offers = _offers(catalogue)
    values = [value for own, plugin, value in offers if name in (own, plugin)]
    if not values:
        raise _nothing_to_check(session, name, folder, offers)
    return values


def _nothing_to_check(session: Session, name: str, folder: Path, offers: list[tuple[str, str, Any]]) -> FreeshotError:
    if name in {info.name for info in session.host.loaded}:
        return PluginError(f"The plugin '{name}' has no component with a contract. Check a component by name.")
    if folder.is_dir():
        return PluginError(
            f"{folder} does not contain exactly one file freeshot_….py. Give the plugin's file, or install the folder "
            f"with 'pip install -e {folder}' and give the plugin's name."
        )
    known = sorted({component for own, plugin, _ in offers for component in (own, plugin)})
    return unknown_name("component or plugin", name, known)


def _file_of(name: str) -> Path | None:
    """Return the named file, or the module of a folder written by `freeshot plugin new`."""
    if name.endswith(".py"):
        return Path(name)
    modules = list(Path(name).glob("freeshot_*.py"))
    return modules[0] if len(modules) == 1 else None


def _load(session: Session, file: Path) -> str:
    """Load a file, unless it belongs to a loaded plugin, and return the plugin's name."""
    host = session.host
    for info in host.loaded:
        path = getattr(host.manager.get_plugin(info.name), "__file__", None)
        if path is not None and Path(path).resolve() == file.resolve():
            return info.name
    host.load_file(file)
    return file.stem


def _require_loaded(session: Session, name: str) -> None:
    failed = [failure.line for failure in session.take_failures() if failure.name == name]
    if failed:
        raise PluginError(" ".join(failed))


def _offers(catalogue: Catalogue) -> list[tuple[str, str, Any]]:
    """List name, plugin and value of everything that has a contract."""
    kinds = (*KINDS, "track", "column")
    return [(name, own.plugin.name, own.value) for kind in kinds for name, own in catalogue.provided(kind).items()]
