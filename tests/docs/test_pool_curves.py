"""The figure of what a pool's size and quality change is made from two boards."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

import pytest
from tests.leaderboard.conftest import make_record

from freeshot.leaderboard.board import Board, boards
from makers.pool_curves import CHANGED, SIZES, PoolMeans, figure, pool_means

SETS = ("icons", "sketch")


def board(suite: str, accuracies: dict[tuple[str, str], float]) -> Board:
    (made,) = boards([make_record("mean", track, value, suite=suite) for (_, track), value in accuracies.items()])
    return made


def made_means(variants: Sequence[str], sets: Sequence[str] = SETS) -> PoolMeans:
    """Return means of records in which a variant's accuracy rises with its position, icons 20 points above sketch."""
    lifts = {"icons": 0.2, "sketch": 0.0}
    pools = {
        (name, f"pools/{name}/{each}/5w1s"): 0.3 + 0.01 * index + lifts[each]
        for index, name in enumerate(variants)
        for each in sets
    }
    whole = {("whole", f"in-domain/{each}/5w1s"): 0.5 + lifts[each] for each in SETS}
    (row,) = board("pools", pools).all_rows
    return pool_means(row, board("pocket", whole))


def test_means_are_over_the_data_sets_of_each_variant() -> None:
    means = made_means(tuple(SIZES))
    assert means.whole == pytest.approx(60)
    assert [count for count, _ in means.sizes] == [2, 5, 10, 20, 40]
    assert [accuracy for _, accuracy in means.sizes] == pytest.approx([40, 41, 42, 43, 60])


def test_a_method_with_one_data_set_is_compared_with_the_whole_pool_on_that_set() -> None:
    means = made_means(tuple(SIZES), sets=("sketch",))
    assert means.whole == pytest.approx(50)
    assert means.by_variant["first2"] == pytest.approx(30)


def test_the_row_of_the_whole_pool_has_the_same_settings() -> None:
    tracks = ("pools/first2/sketch/5w1s", "in-domain/sketch/5w1s")
    (varied,) = boards([make_record("mean", tracks[0], 0.25, suite="pools", options={"ratio": 0.5})])
    (whole,) = boards(
        [make_record("mean", tracks[1], ratio, suite="pocket", options={"ratio": ratio}) for ratio in (0.25, 0.5)]
    )
    assert pool_means(varied.all_rows[0], whole).whole == pytest.approx(50)


def test_the_figure_shows_each_size_and_each_change() -> None:
    means = made_means(tuple(dict.fromkeys((*SIZES, *CHANGED))))
    drawing = ET.fromstring(figure([means], frozen=35.0))  # noqa: S314
    words = ["".join(each.itertext()) for each in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert set(CHANGED.values()) <= set(words)
    assert {"2", "5", "10", "20", "40", "no LoRA", "mean"} <= set(words)
    dots = list(drawing.iter("{http://www.w3.org/2000/svg}circle"))
    assert len(dots) == len(SIZES) + 1 + len(CHANGED) + 1, "the sizes, the whole pool, the changes, the legend"
