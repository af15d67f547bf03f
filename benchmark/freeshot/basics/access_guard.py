"""Refuse data sets and pools while a method is at work, and keep a list of everything that was refused.

The guard belongs to the process: a thread that a method starts is blocked as well. `access_allowed` lifts it for the
calling context alone, so that the harness can open what a method declared. Every refusal is noted before the error is
raised: a method that catches the error has tried all the same.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from freeshot.basics.errors import ContractError, SealedError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(eq=False)
class Violations:
    """What a method did, or tried to do, that the rules forbid."""

    reasons: list[str] = field(default_factory=list)
    """One sentence each, in order, without repetitions."""

    def note(self, reason: str) -> None:
        """Add a reason that is not listed yet."""
        if reason not in self.reasons:
            self.reasons.append(reason)

    def __bool__(self) -> bool:
        return bool(self.reasons)

    def __str__(self) -> str:
        return " ".join(self.reasons)


_BLOCKS: list[Violations] = []
"""One entry for each block that is open in this process; data is blocked while there is any."""
_ALLOWED: ContextVar[bool] = ContextVar("access_allowed", default=False)


@contextmanager
def access_blocked(violations: Violations | None = None) -> Iterator[Violations]:
    """Refuse to open images and pools inside this block, in every thread; attempts are added to `violations`."""
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
    """Let the harness open what it needs, such as the base images that a method declared."""
    token = _ALLOWED.set(True)
    try:
        yield
    finally:
        _ALLOWED.reset(token)


def require_access(what: str) -> None:
    """Raise SealedError, and note it, where a method is at work."""
    if _BLOCKS and not _ALLOWED.get():
        refuse(
            SealedError(
                f"{what} must not be opened while a method is at work. Declare what the method needs and ask its bench."
            )
        )


def refuse(error: ContractError) -> NoReturn:
    """Raise an error after noting its message in every open block."""
    for violations in _BLOCKS:
        violations.note(str(error))
    raise error
