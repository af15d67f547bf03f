"""Sharing of work between processes by locks."""

from __future__ import annotations

from typing import Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Attempt(Protocol[T_co]):
    """Computes one item; returns None if another process holds its lock and `wait` is False."""

    def __call__(self, number: int, /, *, wait: bool) -> T_co | None:
        """Return the result of item `number`."""
        ...


def run_under_locks(count: int, attempt: Attempt[T_co]) -> dict[int, T_co]:
    """Compute items 0…count−1, first those that no other process has locked, then wait for the others."""
    done: dict[int, T_co] = {}
    for wait in (False, True):
        for number in range(count):
            if number not in done and (result := attempt(number, wait=wait)) is not None:
                done[number] = result
    return done
