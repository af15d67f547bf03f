"""Validation of component classes from plugins."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from freeshot.contracts.component import options_of

if TYPE_CHECKING:
    from freeshot.contracts.component import Component

NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


def why_not_usable(cls: object, interface: type[Component]) -> str:
    """Return why a class cannot be used, or ''; exceptions of its own code pass through."""
    if not isinstance(cls, type) or not issubclass(cls, interface):
        return (
            f"{_called(cls)} is not a subclass of {interface.__name__}. Derive it from freeshot.{interface.__name__}."
        )
    if missing := sorted(getattr(cls, "__abstractmethods__", ())):
        return f"{_called(cls)} does not implement {', '.join(missing)}. See {interface.__name__}."
    if not _is_frozen_dataclass(cls):
        return f"{_called(cls)} is not a frozen dataclass. Put @dataclass(frozen=True) above it."
    if not isinstance(cls.name, str) or not NAME.fullmatch(cls.name):
        return f"{_called(cls)} has the invalid name {cls.name!r}. Give one of lower-case letters, digits and hyphens."
    if _has_no_docstring(cls):
        return f"{_called(cls)} has no docstring. Describe it in one sentence in the first line."
    options_of(cls)  # raises OptionError for invalid options
    return ""


def _is_frozen_dataclass(cls: type) -> bool:
    # the class's own decorator: with an inherited one its new fields would silently not be options
    parameters = vars(cls).get("__dataclass_params__")
    return parameters is not None and bool(parameters.frozen)


def _has_no_docstring(cls: type[Component]) -> bool:
    return not cls.summary() or cls.summary().startswith(f"{cls.__name__}(")  # @dataclass generates such docstrings


def _called(cls: object) -> str:
    if isinstance(cls, type):
        return f"The class {cls.__module__}.{cls.__qualname__}"
    return f"The value {cls!r}"
