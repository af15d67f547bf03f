"""The restricted view of the workbench that methods get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from freeshot.contracts.method import Workbench

if TYPE_CHECKING:
    from freeshot.contracts.component import Choice
    from freeshot.pipeline.workbench import Bench

OPEN = frozenset(name for name in (*vars(Workbench), *Workbench.__annotations__) if not name.startswith("_"))
"""Names in the interface."""


class RestrictedWorkbench:
    """A workbench proxy that exposes only the names in `freeshot.Workbench`, read-only."""

    __slots__ = ("__bench",)

    def __init__(self, bench: Bench) -> None:
        object.__setattr__(self, "_RestrictedWorkbench__bench", bench)

    def __getattr__(self, name: str) -> Any:
        if name not in OPEN:
            raise AttributeError(f"A workbench has no '{name}'. It has {', '.join(sorted(OPEN))}.")
        return getattr(object.__getattribute__(self, "_RestrictedWorkbench__bench"), name)

    def with_base(self, method: Choice) -> RestrictedWorkbench:
        """Return the restricted workbench based on another method."""
        return RestrictedWorkbench(object.__getattribute__(self, "_RestrictedWorkbench__bench").with_base(method))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"A workbench is read-only, so '{name}' cannot be set. Store it in your own object.")

    def __dir__(self) -> list[str]:
        return sorted(OPEN)
