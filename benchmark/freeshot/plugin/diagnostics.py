"""Reasons for plugin failures, as sentences for plugin authors."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from typing import TYPE_CHECKING

from freeshot.basics.errors import FreeshotError
from freeshot.basics.failures import failure_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path


def why_failed(doing: str, error: BaseException, packages: Collection[str] = ()) -> str:
    """Format a plugin's exception in one line; `packages` are the modules of installed plugins."""
    text = " ".join(str(error).split())
    if isinstance(error, FreeshotError):
        return text
    if isinstance(error, SystemExit):
        return f"{doing} called sys.exit({text}). Remove that call, or uninstall the plugin."
    reason = failure_of(error, packages).reason.rstrip(".")
    return f"{doing} raised {reason}. Correct or uninstall the plugin, or leave it out with --no-plugin."


def why_slow(seconds: float) -> str:
    """Format the warning about slow loading."""
    return f"Loading it took {seconds:.1f} s, which delays every command. Import heavy packages inside functions."


def why_no_hook(path: Path) -> str:
    """Format the error for a plugin file without hooks."""
    return (
        f"{path} implements no hook of freeshot, but a plugin file must implement at least one, such as "
        "freeshot_methods. Add a hook with @hookimpl above it, or name another file."
    )


def why_unknown_hook(unknown: Iterable[str], known: Iterable[str]) -> str:
    """Format the error for unknown hooks, with the nearest known ones."""
    known = sorted(known)
    sentences = []
    for hook in sorted(unknown):
        nearest = get_close_matches(hook, known, n=1, cutoff=0.5)
        guess = f"Did you mean '{nearest[0]}'?" if nearest else f"Known: {', '.join(known)}."
        sentences.append(f"It implements the hook '{hook}', which freeshot does not have. {guess}")
    return " ".join(sentences)


def why_unmarked(plugin: object, hooks: set[str], known: frozenset[str]) -> str:
    """Return the error for functions with hook names but without @hookimpl, which pluggy silently ignores.

    '' if none.
    """
    unmarked = sorted(name for name in known - hooks if inspect.isfunction(inspect.getattr_static(plugin, name, None)))
    if not unmarked:
        return ""
    return f"It defines {', '.join(unmarked)} without @hookimpl, so it would never be called. Put @hookimpl above it."
