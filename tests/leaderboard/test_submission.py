"""A name stands for the records of a row, or for all of a method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from freeshot.basics.errors import UnknownNameError
from freeshot.leaderboard.submission import choose_records

if TYPE_CHECKING:
    from collections.abc import Callable

    from freeshot.records.models import RunRecord

    Make = Callable[..., RunRecord]


def cells(*records: RunRecord) -> set[str]:
    return {record.cell for record in records}


def test_a_method_stands_for_all_its_rows_and_for_what_is_on_no_board(record: Make) -> None:
    mine = [record(learner="walk"), record(learner="run"), record(learner="run", limit=5)]
    chosen, left = choose_records([*mine, record("beta")], "alpha")
    assert cells(*chosen) == cells(*mine)
    assert left == 0


def test_a_label_goes_before_a_method(record: Make) -> None:
    lone, others = record(), [record(options={"pace": pace}, suite="ablations") for pace in (1, 2)]
    chosen, left = choose_records([lone, *others], "alpha")
    assert cells(*chosen) == cells(lone)
    assert left == 2


def test_a_method_goes_before_a_short_label_of_the_same_words(record: Make) -> None:
    rows = [record(options={"pace": pace, "steps": steps}) for pace, steps in ((1, 5), (2, 5), (1, 9))]
    assert cells(*choose_records(rows, "alpha")[0]) == cells(*rows)
    assert cells(*choose_records(rows, "alpha [pace=2]")[0]) == cells(rows[1])


def test_a_suite_limits_what_is_chosen_and_what_is_known(record: Make) -> None:
    here, there = record(), record(suite="ablations")
    chosen, left = choose_records([here, there], "alpha", "ablations")
    assert cells(*chosen) == cells(there)
    assert left == 0
    with pytest.raises(UnknownNameError, match="No suite with records is called 'ablation'"):
        choose_records([here, there], "alpha", "ablation")
    with pytest.raises(UnknownNameError, match="No row or method of 'ablations' is called 'beta'"):
        choose_records([here, there, record("beta")], "beta", "ablations")


def test_a_part_is_answered_with_a_row_that_has_it(record: Make) -> None:
    rows = [record(learner=name) for name in ("walk", "mine")]
    with pytest.raises(UnknownNameError, match=r"e\.g\. 'alpha \[learner=mine\]'"):
        choose_records(rows, "mine")
