"""Work that several processes share out among themselves by locks."""

from __future__ import annotations

from typing import Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Attempt(Protocol[T_co]):
    """Does one piece of work; None where another process is at it, and we do not wait for it."""

    def __call__(self, number: int, /, *, wait: bool) -> T_co | None:
        """Return what came of it."""
        ...


def shared_work(count: int, attempt: Attempt[T_co]) -> dict[int, T_co]:
    """Do pieces 0…count−1, first those that nobody is at, then, waiting, the others; return what came of each."""
    done: dict[int, T_co] = {}
    for wait in (False, True):
        for number in range(count):
            if number not in done and (result := attempt(number, wait=wait)) is not None:
                done[number] = result
    return done
