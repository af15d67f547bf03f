"""Block access to data sets and pools while method code runs, and record every refused attempt.

The block applies to the process, so threads that a method starts are blocked as well. `access_allowed` lifts it for the
calling context only, so that the harness can open what a method declared. Every refusal is recorded before the error is
raised: a method that catches the error is still reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NoReturn

from freeshot.basics.errors import ContractError, SealedError


@dataclass(eq=False)
class Violations:
    """Rule violations by a method, attempted or carried out."""

    reasons: list[str] = field(default_factory=list)
    """One sentence each, in order, without duplicates."""

    def note(self, reason: str) -> None:
        """Add a reason unless it is already listed."""
        if reason not in self.reasons:
            self.reasons.append(reason)

    def __bool__(self) -> bool:
        return bool(self.reasons)

    def __str__(self) -> str:
        return " ".join(self.reasons)


_BLOCKS: list[Violations] = []
"""One entry for each open block of this process; data access is refused while the list is not empty."""
_ALLOWED: ContextVar[bool] = ContextVar("access_allowed", default=False)


@contextmanager
def access_blocked(violations: Violations | None = None) -> Iterator[Violations]:
    """Refuse to open images and pools inside this block, in all threads; attempts are added to `violations`."""
    violations = Violations() if violations is None else violations
    _BLOCKS.append(violations)
    token = _ALLOWED.set(False)
    try:
        yield violations
    finally:
        _ALLOWED.reset(token)
        _BLOCKS.remove(violations)


@contextmanager
def access_allowed() -> Iterator[None]:
    """Allow data access inside this block, such as opening the base images that a method declared."""
    token = _ALLOWED.set(True)
    try:
        yield
    finally:
        _ALLOWED.reset(token)


def require_access(what: str) -> None:
    """Raise SealedError, and record it, if data access is blocked."""
    if _BLOCKS and not _ALLOWED.get():
        refuse(
            SealedError(
                f"{what} must not be opened by method code. Declare the need and request the data from the workbench."
            )
        )


def refuse(error: ContractError) -> NoReturn:
    """Raise an error after recording its message in every open block."""
    for violations in _BLOCKS:
        violations.note(str(error))
    raise error
