"""Untrusted text is made printable, and plain text is unchanged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeshot.basics.errors import DataError, FreeshotError
from freeshot.basics.text import one_line


@given(st.text())
def test_one_line_has_no_control_characters(text: str) -> None:
    assert one_line(text).isprintable()
    assert one_line(one_line(text)) == one_line(text)


@pytest.mark.parametrize(("text", "line"), [("in-domain/sketch", "in-domain/sketch"), ("a\n b\x1b[2J", "a b [2J")])
def test_words_are_kept(text: str, line: str) -> None:
    assert one_line(text) == line


def test_an_error_is_one_line_whatever_a_file_is_called() -> None:
    error = DataError("/data/a\n\x1b[2Jb  c.png cannot be read.")
    assert str(error) == "/data/a  [2Jb  c.png cannot be read."
    assert str(FreeshotError()) == ""
