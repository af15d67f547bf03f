"""Options that must not be zero, checked when a component is built."""

from __future__ import annotations

from typing import Any

from freeshot.basics.errors import OptionError


def require_positive(component: Any, *names: str) -> None:
    """Refuse options of a component that are not above zero; OptionError names the first."""
    for name in names:
        value = getattr(component, name)
        if not value > 0:
            raise OptionError(f"Option '{name}' of '{component.name}' must be above 0, but is {value}.")
