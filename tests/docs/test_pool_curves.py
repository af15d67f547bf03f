"""The figure of the effects of a pool's size and quality is made from two boards."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

import pytest
from tests.leaderboard.conftest import make_record

from freeshot.leaderboard.board import Board, boards
from makers.pool_curves import CHANGED, SIZES, figure, pool_means

SETS = ("icons", "sketch")


def board(suite: str, accuracies: dict[tuple[str, str], float]) -> Board:
    (made,) = boards([make_record("mean", track, value, suite=suite) for (_, track), value in accuracies.items()])
    return made


def made_boards(variants: Sequence[str], sets: Sequence[str] = SETS) -> tuple[Board, Board]:
    """Return boards on which a variant's accuracy rises with its position, icons 20 points above sketch."""
    lifts = {"icons": 0.2, "sketch": 0.0}
    pools = {
        (name, f"pools/{name}/{dataset}/5w1s"): 0.3 + 0.01 * index + lifts[dataset]
        for index, name in enumerate(variants)
        for dataset in sets
    }
    whole = {("whole", f"in-domain/{dataset}/5w1s"): 0.5 + lifts[dataset] for dataset in SETS}
    return board("pools", pools), board("pocket", whole)


def test_means_are_over_the_data_sets_of_each_variant() -> None:
    means = pool_means("mean", *made_boards(tuple(SIZES)))
    assert means.whole == pytest.approx(60)
    assert [count for count, _ in means.sizes] == [2, 5, 10, 20, 40]
    assert [accuracy for _, accuracy in means.sizes] == pytest.approx([40, 41, 42, 43, 60])


def test_a_method_with_one_data_set_is_compared_with_the_whole_pool_on_that_set() -> None:
    means = pool_means("mean", *made_boards(tuple(SIZES), sets=("sketch",)))
    assert means.whole == pytest.approx(50)
    assert means.by_variant["first2"] == pytest.approx(30)


def test_the_figure_shows_each_size_and_each_change() -> None:
    means = pool_means("mean", *made_boards(tuple(dict.fromkeys((*SIZES, *CHANGED)))))
    drawing = ET.fromstring(figure([means], frozen=35.0))  # noqa: S314
    words = ["".join(text.itertext()) for text in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert set(CHANGED.values()) <= set(words)
    assert {"2", "5", "10", "20", "40", "no LoRA", "mean"} <= set(words)
    dots = list(drawing.iter("{http://www.w3.org/2000/svg}circle"))
    assert len(dots) == len(SIZES) + 1 + len(CHANGED) + 1, "the sizes, the whole pool, the changes, the legend"
