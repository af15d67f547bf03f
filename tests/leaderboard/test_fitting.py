from __future__ import annotations

import json
from functools import partial
from typing import Any

from freeshot.render.html.size_budget import fitting


def a_board(scores: str = "") -> dict[str, Any]:
    cell = {"mean": 0.5} | ({"scores": scores} if scores else {})
    return {"rows": [{"cells": {"x": cell}}], "over_seeds": {}, "sheets": []}


def test_intervals_over_seeds_are_computed_only_where_accuracies_stay() -> None:
    asked = []

    def told(name: str) -> dict[str, Any]:
        asked.append(name)
        return {"0 1": {"x": [0.1, 0.2]}}

    calls = [partial(told, "first"), partial(told, "second")]
    first, second = json.loads(fitting([a_board("a" * 100), a_board("b" * 900)], calls, 500))
    assert asked == ["first"]
    assert first["over_seeds"] == {"0 1": {"x": [0.1, 0.2]}}
    assert second["rows"][0]["cells"]["x"] == {"mean": 0.5}
    assert second["over_seeds"] == {}


def test_what_intervals_over_seeds_take_counts_too() -> None:
    (found,) = json.loads(fitting([a_board("a" * 100)], [lambda: {"0 1": {"x": [0.1] * 100}}], 300))
    assert found["rows"][0]["cells"]["x"] == {"mean": 0.5}
    assert found["over_seeds"] == {}


def test_the_size_is_that_of_the_bytes() -> None:
    def kept(spare: int) -> bool:
        board = a_board("é" * 10)
        whole = len(json.dumps([board], ensure_ascii=False, separators=(",", ":")).encode())
        return "scores" in json.loads(fitting([board], [dict], whole + spare))[0]["rows"][0]["cells"]["x"]

    assert (kept(0), kept(-1)) == (True, False)


def test_no_board_is_an_empty_list() -> None:
    assert fitting([], [], 0) == "[]"


def test_pictures_go_one_by_one_from_the_last() -> None:
    def left(limit: int) -> list[str]:
        board = a_board("a" * 50) | {"sheets": ["1" * 100, "2" * 100, "3" * 100]}
        (found,) = json.loads(fitting([board], [dict], limit))
        assert found["rows"][0]["cells"]["x"]["scores"]
        return [sheet[0] for sheet in found["sheets"]]

    assert [left(limit) for limit in (500, 400, 300, 200)] == [["1", "2", "3"], ["1", "2"], ["1"], []]


def test_a_histogram_is_told_only_where_accuracies_are_not() -> None:
    def cell(limit: int) -> dict[str, Any]:
        board = a_board("a" * 100)
        board["rows"][0]["cells"]["x"]["histogram"] = [1, 2]
        (found,) = json.loads(fitting([board], [dict], limit))
        told: dict[str, Any] = found["rows"][0]["cells"]["x"]
        return told

    assert [sorted(cell(limit)) for limit in (500, 150)] == [["mean", "scores"], ["histogram", "mean"]]
