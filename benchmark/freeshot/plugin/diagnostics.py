"""Why a plugin or a component class cannot be used, as sentences for plugin authors."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection
from difflib import get_close_matches
from importlib.metadata import Distribution
from typing import Any

from freeshot.basics.errors import FreeshotError, PluginError
from freeshot.basics.failures import failure_of
from freeshot.contracts.component import Component, options_of
from freeshot.version import __version__

NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
OURS = re.compile(r"freeshot(?![\w.-])", re.IGNORECASE)


def why_failed(doing: str, error: BaseException, packages: Collection[str] = ()) -> str:
    """Format a plugin's exception in one line; `packages` are the modules of installed plugins."""
    text = " ".join(str(error).split())
    if isinstance(error, FreeshotError):
        return text
    if isinstance(error, SystemExit):
        return f"{doing} called sys.exit({text}). Remove that call, or uninstall the plugin."
    reason = failure_of(error, packages).reason.rstrip(".")
    return f"{doing} raised {reason}. Correct or uninstall the plugin, or leave it out with --no-plugin."


def require_valid_hooks(plugin: object, hooks: set[str], known: frozenset[str]) -> None:
    """Raise PluginError for unknown hooks, and for hook functions without @hookimpl, which pluggy silently ignores."""
    sentences = []
    for hook in sorted(hooks - known):
        nearest = get_close_matches(hook, sorted(known), n=1, cutoff=0.5)
        guess = f"Did you mean '{nearest[0]}'?" if nearest else f"Known: {', '.join(sorted(known))}."
        sentences.append(f"It implements the hook '{hook}', which freeshot does not have. {guess}")
    unmarked = sorted(name for name in known - hooks if inspect.isfunction(inspect.getattr_static(plugin, name, None)))
    if unmarked and not sentences:
        names = ", ".join(unmarked)
        sentences = [f"It defines {names} without @hookimpl, so it would never be called. Put @hookimpl above it."]
    if sentences:
        raise PluginError(" ".join(sentences))


def why_incompatible(distribution: Distribution) -> str:
    """Return why a distribution's requirements refuse this version of FreeShot."""
    for text in distribution.requires or ():
        if OURS.match(text) and (reason := _why_refused(text, distribution)):
            return reason
    return ""


def _why_refused(text: str, distribution: Distribution) -> str:
    from packaging.requirements import InvalidRequirement, Requirement  # 50 ms, and first-party plugins need none
    from packaging.version import Version

    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return f"Its requirement '{text}' is not valid. Install another version of it."
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return ""
    if requirement.specifier.contains(__version__, prereleases=True):
        return ""
    installed, name = Version(__version__), distribution.metadata["Name"]
    lower = (bound for bound in requirement.specifier if bound.operator in {">=", ">", "==", "~=", "==="})
    needed = f"It needs {text.partition(';')[0].strip()}, but this is freeshot {__version__}"
    if any(Version(bound.version.removesuffix(".*")) >= installed and not bound.contains(installed) for bound in lower):
        return f"{needed}, which is too old for it. Upgrade freeshot, or install an older {name}."
    return f"{needed}, which is too new for it. Upgrade {name}, or install an older freeshot."


def why_not_usable(cls: Any, interface: type[Component]) -> str:
    """Return why a class is not a valid component; exceptions of its own code pass through."""
    name = f"The class {cls.__module__}.{cls.__qualname__}" if isinstance(cls, type) else f"The value {cls!r}"
    if not isinstance(cls, type) or not issubclass(cls, interface):
        return f"{name} is not a subclass of {interface.__name__}. Derive it from freeshot.{interface.__name__}."
    if missing := sorted(getattr(cls, "__abstractmethods__", ())):
        return f"{name} does not implement {', '.join(missing)}. See {interface.__name__}."
    parameters = vars(cls).get("__dataclass_params__")  # with an inherited decorator new fields would not be options
    if parameters is None or not parameters.frozen:
        return f"{name} is not a frozen dataclass. Put @dataclass(frozen=True) above it."
    if not isinstance(cls.name, str) or not NAME.fullmatch(cls.name):
        return f"{name} has the invalid name {cls.name!r}. Give one of lower-case letters, digits and hyphens."
    if not cls.summary() or cls.summary().startswith(f"{cls.__name__}("):  # which @dataclass generates
        return f"{name} has no docstring. Describe it in one sentence in the first line."
    options_of(cls)  # raises OptionError for invalid options
    return ""
