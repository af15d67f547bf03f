"""Range checks of option values, run when a component is constructed."""

from __future__ import annotations

from typing import Any

from freeshot.basics.errors import OptionError


def require_positive(component: Any, *names: str) -> None:
    """Require that these options of a component are positive; OptionError names the first that is not."""
    for name in names:
        value = getattr(component, name)
        if not value > 0:
            raise OptionError(f"Option '{name}' of '{component.name}' must be above 0, but is {value}.")
