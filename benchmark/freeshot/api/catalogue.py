"""Names of what is installed, in the manner of `timm.list_models`: `list_methods("*recycle*")`."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from freeshot.api.session import StrPath, open_session, warn_of_failures


def list_methods(pattern: str = "*", *, plugins: Iterable[StrPath] = ()) -> list[str]:
    """List the names of methods that match a pattern."""
    return _names("method", pattern, plugins)


def list_inversions(pattern: str = "*", *, plugins: Iterable[StrPath] = ()) -> list[str]:
    """List the names of inversions that match a pattern."""
    return _names("inversion", pattern, plugins)


def list_strategies(pattern: str = "*", *, plugins: Iterable[StrPath] = ()) -> list[str]:
    """List the names of efficiency strategies that match a pattern."""
    return _names("strategy", pattern, plugins)


def list_meta_learners(pattern: str = "*", *, plugins: Iterable[StrPath] = ()) -> list[str]:
    """List the names of meta-learners that match a pattern."""
    return _names("meta-learner", pattern, plugins)


def list_backbones(pattern: str = "*", *, plugins: Iterable[StrPath] = ()) -> list[str]:
    """List the names of backbones that match a pattern."""
    return _names("backbone", pattern, plugins)


def list_datasets(pattern: str = "*", *, plugins: Iterable[StrPath] = (), data: StrPath = "data") -> list[str]:
    """List the names of data sets, with those in the data folder that match a pattern."""
    return _names("dataset", pattern, plugins, data)


def list_launchers(pattern: str = "*", *, plugins: Iterable[StrPath] = ()) -> list[str]:
    """List the names of launchers that match a pattern."""
    return _names("launcher", pattern, plugins)


def list_tracks(pattern: str = "*", *, plugins: Iterable[StrPath] = (), data: StrPath = "data") -> list[str]:
    """List the names of tracks that match a pattern; those of your data sets are in the data folder."""
    return _names("track", pattern, plugins, data)


def list_suites(pattern: str = "*", *, plugins: Iterable[StrPath] = ()) -> list[str]:
    """List the names of suites that match a pattern."""
    return _names("suite", pattern, plugins)


def list_pools(pattern: str = "*", *, pools: StrPath = "pools") -> list[str]:
    """List the names of LoRA pools that match a pattern: those of plugins, and yours in the folder `pools`."""
    from pathlib import Path

    from freeshot.pool.locate import built_pools

    return _matching({*_names("pool"), *built_pools(Path(pools))}, pattern)


def _names(kind: str, pattern: str = "*", plugins: Iterable[StrPath] = (), data: StrPath = "data") -> list[str]:
    session = open_session(plugins, data)
    names = session.catalogue.names(kind)
    warn_of_failures(session)
    return _matching(names, pattern)


def _matching(names: Iterable[str], pattern: str) -> list[str]:
    return sorted(name for name in names if fnmatchcase(name, pattern))
