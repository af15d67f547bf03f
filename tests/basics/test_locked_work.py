"""What nobody is at is done first; what others are at is waited for in the end."""

from __future__ import annotations

from freeshot.basics.locked_work import run_under_locks


def test_what_others_are_at_comes_last() -> None:
    asked = []

    def attempt(number: int, *, wait: bool) -> str | None:
        asked.append((number, wait))
        return None if number in (0, 2) and not wait else f"piece {number}"

    assert run_under_locks(4, attempt) == {1: "piece 1", 3: "piece 3", 0: "piece 0", 2: "piece 2"}
    assert asked == [(0, False), (1, False), (2, False), (3, False), (0, True), (2, True)]


def test_what_never_comes_is_left_out() -> None:
    assert run_under_locks(2, lambda number, wait: None if number else "here") == {0: "here"}


def test_nothing_is_asked_of_nothing() -> None:
    assert run_under_locks(0, lambda number, wait: number) == {}
