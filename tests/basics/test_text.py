"""Text of strangers is made harmless, and plain text stays what it is."""

from __future__ import annotations

import gc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeshot.basics.errors import DataError, FreeshotError
from freeshot.basics.memory import gc_paused
from freeshot.basics.text import one_line


@given(st.text())
def test_one_line_holds_nothing_that_steers_a_terminal(text: str) -> None:
    assert one_line(text).isprintable()
    assert one_line(one_line(text)) == one_line(text)


@pytest.mark.parametrize(("text", "line"), [("in-domain/sketch", "in-domain/sketch"), ("a\n b\x1b[2J", "a b [2J")])
def test_words_are_kept(text: str, line: str) -> None:
    assert one_line(text) == line


@pytest.mark.parametrize("was_on", [True, False])
def test_the_collector_is_afterwards_what_it_was(was_on: bool) -> None:
    gc.enable() if was_on else gc.disable()
    try:
        with suppress(ValueError), gc_paused():
            assert not gc.isenabled()
            raise ValueError
        assert gc.isenabled() == was_on
    finally:
        gc.enable()


def test_what_was_made_uncollected_counts_as_old() -> None:
    with gc_paused():
        made: list[list[int]] = [[] for _ in range(1000)]
    young = {id(one) for one in gc.get_objects(generation=0)}
    assert not young & set(map(id, made))
    assert gc.get_freeze_count() == 0


def test_what_others_froze_stays_frozen() -> None:
    gc.freeze()
    try:
        with gc_paused():
            pass
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_an_error_is_one_line_whatever_a_file_is_called() -> None:
    error = DataError("/data/a\n\x1b[2Jb  c.png cannot be read.")
    assert str(error) == "/data/a  [2Jb  c.png cannot be read."
    assert str(FreeshotError()) == ""
