"""Whether a class that a plugin offers is a component of its kind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from freeshot.contracts.options import options_of

if TYPE_CHECKING:
    from freeshot.contracts.component import Component

NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


def why_not_usable(cls: object, interface: type[Component]) -> str:
    """Say what keeps a class from being used, or nothing; what its own code raises is passed on."""
    if not isinstance(cls, type) or not issubclass(cls, interface):
        return (
            f"{_called(cls)} is not a subclass of {interface.__name__}. Derive it from freeshot.{interface.__name__}."
        )
    if missing := sorted(getattr(cls, "__abstractmethods__", ())):
        return f"{_called(cls)} does not write {', '.join(missing)}. {interface.__name__} says what is expected."
    if not _is_frozen_dataclass(cls):
        return f"{_called(cls)} is not a frozen dataclass. Put @dataclass(frozen=True) above it."
    if not isinstance(cls.name, str) or not NAME.fullmatch(cls.name):
        return f"{_called(cls)} is called {cls.name!r}. Give it a name of lower-case letters, digits and hyphens."
    if _has_no_docstring(cls):
        return f"{_called(cls)} has no docstring. Say in its first line what it does, in one sentence."
    options_of(cls)  # raises what is wrong with an option
    return ""


def _is_frozen_dataclass(cls: type) -> bool:
    # its own decorator counts: inherited, the fields that the class adds would silently be no options
    parameters = vars(cls).get("__dataclass_params__")
    return parameters is not None and bool(parameters.frozen)


def _has_no_docstring(cls: type[Component]) -> bool:
    return not cls.summary() or cls.summary().startswith(f"{cls.__name__}(")  # the latter is what @dataclass makes up


def _called(cls: object) -> str:
    if isinstance(cls, type):
        return f"The class {cls.__module__}.{cls.__qualname__}"
    return f"The value {cls!r}"
