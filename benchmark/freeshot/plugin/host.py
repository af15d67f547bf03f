"""The plugin host: finds plugins, loads each in isolation, and records failures.

No plugin can break a run or hide another.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import pluggy

from freeshot.basics.errors import PluginError
from freeshot.basics.suggestions import unknown_name
from freeshot.plugin import GROUP, hookimpl, hookspecs
from freeshot.plugin.diagnostics import require_valid_hooks, why_failed, why_incompatible
from freeshot.plugin.files import import_file, read_source
from freeshot.plugin.versions import exact_version

T = TypeVar("T")

ONLY = "FREESHOT_PLUGINS"
"""Environment variable with the plugins to load, 'a,b'; set but empty it loads none."""
HOOKS = frozenset(name for name in vars(hookspecs) if name.startswith("freeshot_"))
SLOW = 1.0
"""Loading time in seconds above which users are warned, because every command waits for it."""


@dataclass(frozen=True)
class PluginInfo:
    """A loaded plugin: its entry-point name, distribution and implemented hooks."""

    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        """The provider: 'freeshot-reptile 0.3'."""
        return f"{self.distribution} {self.version}".strip()

    @classmethod
    def joined(cls, plugins: Sequence[PluginInfo]) -> PluginInfo:
        """Name several plugins at once, for a failure that they share."""
        names = ", ".join(dict.fromkeys(plugin.name for plugin in plugins))
        return cls(names, ", ".join(p.distribution for p in plugins), ", ".join(p.version for p in plugins))


@dataclass(frozen=True)
class PluginFailure:
    """Why a plugin, or a part of one, is not available or slow."""

    name: str
    distribution: str
    version: str
    reason: str
    """One or more self-contained sentences."""
    hook: str = ""
    """The hook whose results are missing; empty if all are."""

    @property
    def line(self) -> str:
        """The failure in one line."""
        origin = f" ({self.distribution} {self.version})" if self.distribution else ""
        return f"Plugin '{self.name}'{origin}: {self.reason}"


@dataclass(frozen=True)
class Selection:
    """The selected plugins; another process can load the same ones from it."""

    only: frozenset[str] | None = None
    without: frozenset[str] = frozenset()
    files: tuple[Path, ...] = ()

    def load(self) -> Host:
        """Load the selected plugins."""
        host = load_plugins(self.only, self.without)
        for file in self.files:
            host.load_file(file)
        return host


class Host:
    """The loaded plugins and the failures of the others."""

    def __init__(self, selection: Selection | None = None) -> None:
        self.selection = selection or Selection()
        self.manager = pluggy.PluginManager(GROUP)
        self.manager.add_hookspecs(hookspecs)
        self._loaded: dict[str, PluginInfo] = {}
        self._failures: list[PluginFailure] = []
        self.packages: set[str] = set()
        """Top-level modules of installed plugins, which identify their frames in a traceback."""

    @property
    def loaded(self) -> tuple[PluginInfo, ...]:
        """List the working plugins, by name."""
        return tuple(self._loaded[name] for name in sorted(self._loaded))

    @property
    def failures(self) -> tuple[PluginFailure, ...]:
        """List the failures so far; later hook failures are added."""
        return tuple(self._failures)

    def load(self, point: EntryPoint) -> None:
        """Load the plugin of an entry point, or record why it cannot be used."""
        info = _info_of(point)
        assert point.dist is not None
        if reason := why_incompatible(point.dist):
            self.note(info, reason)
            return
        self.packages.add(point.module.partition(".")[0])
        start = time.perf_counter()
        with self.guard(info, "Loading it"):
            plugin = point.load()
            self._admit(plugin, replace(info, version=exact_version(point)))
            seconds = time.perf_counter() - start
            if seconds > SLOW:
                self.note(
                    info,
                    f"Loading it took {seconds:.1f} s, which delays every command. Import heavy packages inside "
                    "functions.",
                )

    def load_file(self, path: Path) -> None:
        """Load a single-file plugin; PluginError if it cannot be used, because the user requested it."""
        content = read_source(path)
        info = PluginInfo(path.stem, path.name, hashlib.sha256(content).hexdigest()[:8])
        if info.name in self._loaded:
            raise PluginError(
                f"{path} would be the plugin '{info.name}', but {self._loaded[info.name].origin} has that name. "
                "Rename the file."
            )
        with self.guard(info, "Loading it"):
            self._admit(import_file(path), info)
        if info.name not in self._loaded:
            raise PluginError(self._failures.pop().line)
        if not self._loaded[info.name].hooks:
            self.manager.unregister(name=info.name)
            del self._loaded[info.name]
            raise PluginError(
                f"{path} implements no hook of freeshot, but a plugin file must implement at least one, such as "
                "freeshot_methods. Add a hook with @hookimpl above it, or name another file."
            )
        self.selection = replace(self.selection, files=(*self.selection.files, path.absolute()))

    def register(self, plugin: object, info: PluginInfo) -> None:
        """Register a plugin without entry point, such as the toy world, with the same checks."""
        with self.guard(info, "Registering it"):
            self._admit(plugin, info)

    def provide(self, info: PluginInfo, **values: object) -> None:
        """Register a plugin whose hooks return these values: `provide(info, freeshot_tracks=[track])`."""
        plugin = ModuleType(info.name)
        for hook, value in values.items():
            setattr(plugin, hook, hookimpl(lambda value=value: value))
        self.register(plugin, info)

    @contextmanager
    def guard(self, info: PluginInfo, doing: str, hook: str = "") -> Iterator[None]:
        """Run plugin code; any exception becomes a failure of that plugin only."""
        try:
            yield
        # One of the few broad excepts: third-party plugins may raise anything, even SystemExit by sys.exit, and must
        # not stop the other plugins or the run.
        except (Exception, SystemExit) as error:  # noqa: BLE001
            self.note(info, why_failed(doing, error, self.packages), hook)

    def note(self, info: PluginInfo, reason: str, hook: str = "") -> None:
        """Record once that a part of a plugin is unavailable, and why."""
        failure = PluginFailure(info.name, info.distribution, info.version, reason, hook)
        if failure not in self._failures:
            self._failures.append(failure)

    def results(self, hook: str, plugin: str = "", **arguments: object) -> Iterator[tuple[PluginInfo, object]]:
        """Call a hook of every plugin, or of one `plugin`; exceptions are recorded and do not stop the others."""
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            if plugin not in ("", implementation.plugin_name):
                continue
            info = self._loaded.get(implementation.plugin_name, PluginInfo(implementation.plugin_name, "", ""))
            if implementation.wrapper or implementation.hookwrapper:
                self.note(info, f"It wraps the hook {hook}, which cannot be wrapped. Only freeshot_cell can.", hook)
                continue
            results: list[object] = []
            with self.guard(info, f"Its hook {hook}", hook):
                results.append(implementation.function(*(arguments[name] for name in implementation.argnames)))
            yield from ((info, result) for result in results)

    def _admit(self, plugin: object, info: PluginInfo) -> None:
        """Register a plugin with its hooks; PluginError, leaving nothing registered, if they are invalid."""
        try:
            self.manager.register(plugin, info.name)
            hooks = {caller.name for caller in self.manager.get_hookcallers(plugin) or ()}
            require_valid_hooks(plugin, hooks, HOOKS)
        except BaseException:
            if info.name not in self._loaded and self.manager.has_plugin(info.name):
                self.manager.unregister(name=info.name)
            raise
        self._loaded[info.name] = replace(info, hooks=tuple(sorted(hooks)))


def load_plugins(only: frozenset[str] | None = None, without: frozenset[str] = frozenset()) -> Host:
    """Load the installed plugins, or `only` those given here or in FREESHOT_PLUGINS, except those in `without`."""
    if only is None and ONLY in os.environ:
        only = frozenset(name.strip() for name in os.environ[ONLY].split(",") if name.strip())
    host = Host(Selection(only, without))
    claims = _claims()
    for name in sorted((only or frozenset()) - set(claims)):
        host.note(PluginInfo(name, "", ""), str(unknown_name("plugin", name, claims)))
    for name, points in sorted(claims.items()):
        if name in without or (only is not None and name not in only):
            continue
        if len(points) == 1:
            host.load(points[0])
            continue
        infos = [_info_of(point) for point in points]
        origins = " and ".join(sorted(info.origin for info in infos))
        host.note(
            PluginInfo.joined(infos),
            f"The name '{name}' is claimed by {origins}, so neither is loaded. Uninstall all but one of them.",
        )
    return host


def installed() -> dict[str, tuple[str, ...]]:
    """List the names of the installed plugins with the distributions that provide each."""
    return {name: tuple(_info_of(point).origin for point in points) for name, points in _claims().items()}


def require_installed(names: Iterable[str]) -> None:
    """Raise UnknownNameError for the first of these names that no installed plugin has."""
    plugins = installed()
    for name in sorted(names):
        if name not in plugins:
            raise unknown_name("plugin", name, plugins)


@contextmanager
def registered(manager: pluggy.PluginManager, listener: T, name: str | None = None) -> Iterator[T]:
    """Register an object as a plugin inside this block."""
    manager.register(listener, name)
    try:
        yield listener
    finally:
        manager.unregister(listener)


def _claims() -> dict[str, list[EntryPoint]]:
    """Find the entry points of each plugin name; a distribution installed twice (editable and wheel) counts once."""
    claims: dict[str, dict[str, EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        if point.dist is not None:
            spelling = _info_of(point).distribution.lower().replace("_", "-").replace(".", "-")
            claims.setdefault(point.name, {}).setdefault(spelling, point)
    return {name: list(points.values()) for name, points in claims.items()}


def _info_of(point: EntryPoint) -> PluginInfo:
    assert point.dist is not None
    return PluginInfo(point.name, *_name_and_version(point.dist))


@lru_cache(maxsize=64)
def _name_and_version(dist: Distribution) -> tuple[str, str]:
    """Read a distribution's metadata file, which its many entry points share."""
    return dist.metadata["Name"] or "unnamed", dist.version
