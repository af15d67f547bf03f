"""A track and two rows are chosen by name or by default, and their episodes are sorted and sampled."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.leaderboard.conftest import INSTALLED, SKETCH, make_record

from freeshot.basics.errors import StoreError, UnknownNameError
from freeshot.leaderboard import boards
from freeshot.leaderboard.board import Board
from freeshot.leaderboard.episode_choice import choose, newest_boards, ordered, sampled, tracks_of

FLAGS = "cross-domain/flags/5w1s"
ACCURACIES = np.array([[0.9, 0.2, 0.5, 0.5], [0.7, 0.4, 0.5, 0.1]])


def all_boards() -> list[Board]:
    records = [make_record(method) for method in ("alpha", "beta", "lora-recycle", "frozen-prototype")]
    records += [make_record("alpha", FLAGS), *(make_record("gamma", options={"size": size}) for size in (1, 2))]
    records += [make_record("beta", FLAGS, suite="other"), make_record("old", version=0)]
    records += [make_record("bad", "x/y/5w1s", status="failed")]
    return newest_boards(boards(records, INSTALLED), "pocket")


def rows(*names: str | None, track: str = SKETCH, suite: str | None = None, replace: bool = False) -> list[str]:
    return [row.label for row in choose(all_boards(), suite, track, names, replace=replace).rows]


def test_the_newest_board_of_each_suite_has_the_tracks_with_results() -> None:
    assert [(board.suite, board.version, tracks_of(board)) for board in all_boards()] == [
        ("pocket", 1, [FLAGS, SKETCH]),
        ("other", 1, [FLAGS]),
    ]


def test_by_default_rows_are_the_suites_pair_and_then_others() -> None:
    assert rows() == ["lora-recycle", "frozen-prototype"]
    assert rows("beta") == ["beta", "lora-recycle"]
    assert rows(None, "lora-recycle") == ["frozen-prototype", "lora-recycle"]
    assert choose(all_boards(), None, None, ()).track == FLAGS


def test_a_track_with_one_row_shows_it_alone() -> None:
    assert rows(track=FLAGS) == ["alpha"]
    assert rows("beta", "beta") == ["beta"]
    assert rows(track=FLAGS, suite="other") == ["beta"]


def test_a_row_of_the_last_track_is_replaced_on_request() -> None:
    assert rows("lora-recycle", "alpha", track=FLAGS, replace=True) == ["alpha"]


@pytest.mark.parametrize(
    ("names", "track", "suite", "message"),
    [
        ((), "in-domain/sketch/5w2s", None, f"called 'in-domain/sketch/5w2s'. Did you mean '{SKETCH}'"),
        ((), SKETCH, "poket", "No suite with records is called 'poket'. Did you mean 'pocket'?"),
        (("bta",), SKETCH, None, "called 'bta'. Did you mean 'beta'?"),
        (("gamma",), SKETCH, None, "'gamma' matches several rows: gamma [size=1]; gamma [size=2]."),
        (("beta",), FLAGS, "pocket", f"'beta' has no result on '{FLAGS}'."),
    ],
)  # fmt: skip
def test_an_unknown_name_is_an_error_of_one_sentence(
    names: tuple[str, ...], track: str, suite: str | None, message: str
) -> None:
    with pytest.raises(UnknownNameError, match=re.escape(message)):
        choose(all_boards(), suite, track, names)


def test_without_results_there_is_nothing_to_choose() -> None:
    with pytest.raises(StoreError, match=r"^No record is finished\. Create some with 'freeshot run'"):
        choose([], None, None, ())


def test_episodes_are_sorted_by_number_difference_and_difficulty() -> None:
    assert ordered(ACCURACIES, "number") == [0, 1, 2, 3]
    assert ordered(ACCURACIES, "difference") == [3, 0, 2, 1]
    assert ordered(ACCURACIES, "difficulty") == [1, 3, 2, 0]
    with pytest.raises(UnknownNameError, match="No order is called 'differences'"):
        ordered(ACCURACIES, "differences")


@given(st.integers(1, 30), st.integers(1, 30))
def test_a_sample_has_the_hardest_the_median_and_the_easiest(total: int, count: int) -> None:
    accuracies = np.arange(total, dtype=np.float64)[None] / total
    chosen = sampled(accuracies, count)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(count, total)
    assert chosen[0] == 0
    if count >= 3:
        assert chosen[-1] == total - 1
        assert any(abs(number - (total - 1) / 2) <= 1 for number in chosen)
