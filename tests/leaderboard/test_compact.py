"""Accuracies per episode travel as letters, and arrive."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeshot.render.html.encoding import FINE, LETTERS, digits_of, encode, unit_of


def decode(text: str, unit: int) -> list[float]:
    """Read what `encode` wrote, as the page's script does."""
    digits, base = digits_of(unit), len(LETTERS)
    numbers = []
    for start in range(0, len(text), digits):
        number = 0
        for letter in text[start : start + digits]:
            number = number * base + LETTERS.index(letter)
        numbers.append(number / unit)
    return numbers


@given(st.integers(1, 1000).flatmap(lambda unit: st.tuples(st.just(unit), st.lists(st.integers(0, unit)))))
def test_shares_of_queries_arrive_exactly(drawn: tuple[int, list[int]]) -> None:
    unit, right = drawn
    accuracies = [count / unit for count in right]
    assert unit_of(accuracies, unit) == unit
    assert decode(encode(accuracies, unit), unit) == accuracies


@given(st.lists(st.floats(0, 1)))
def test_other_accuracies_arrive_to_a_millionth(accuracies: list[float]) -> None:
    assert decode(encode(accuracies, FINE), FINE) == pytest.approx(accuracies, abs=1e-6)


def test_75_queries_take_one_letter_and_three_seeds_of_them_two() -> None:
    assert [len(encode([0, 1], unit)) for unit in (75, 225)] == [2, 4]
    assert unit_of([1 / 7], 75) == FINE


def test_the_letters_stand_for_themselves_in_json_and_html() -> None:
    assert json.dumps(LETTERS) == f'"{LETTERS}"'
    assert not set(LETTERS) & set("&<>")
