"""A name selects the records of a row, or all records of a method."""

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


def test_a_method_selects_all_its_rows_and_its_records_on_no_board(record: Make) -> None:
    mine = [record(learner="walk"), record(learner="run"), record(learner="run", limit=5)]
    chosen, left = choose_records([*mine, record("beta")], "alpha")
    assert cells(*chosen) == cells(*mine)
    assert left == 0


def test_a_label_takes_precedence_over_a_method(record: Make) -> None:
    lone, others = record(), [record(options={"pace": pace}, suite="ablations") for pace in (1, 2)]
    chosen, left = choose_records([lone, *others], "alpha")
    assert cells(*chosen) == cells(lone)
    assert left == 2


def test_a_method_takes_precedence_over_an_equal_short_label(record: Make) -> None:
    rows = [record(options={"pace": pace, "steps": steps}) for pace, steps in ((1, 5), (2, 5), (1, 9))]
    assert cells(*choose_records(rows, "alpha")[0]) == cells(*rows)
    assert cells(*choose_records(rows, "alpha [pace=2]")[0]) == cells(rows[1])


def test_a_suite_limits_the_records_and_the_names_to_choose_from(record: Make) -> None:
    here, there = record(), record(suite="ablations")
    chosen, left = choose_records([here, there], "alpha", "ablations")
    assert cells(*chosen) == cells(there)
    assert left == 0
    with pytest.raises(UnknownNameError, match="No suite with records is called 'ablation'"):
        choose_records([here, there], "alpha", "ablation")
    with pytest.raises(UnknownNameError, match="No row or method of 'ablations' is called 'beta'"):
        choose_records([here, there, record("beta")], "beta", "ablations")


def test_for_the_name_of_a_component_a_row_that_has_it_is_suggested(record: Make) -> None:
    rows = [record(learner=name) for name in ("walk", "mine")]
    with pytest.raises(UnknownNameError, match=r"e\.g\. 'alpha \[learner=mine\]'"):
        choose_records(rows, "mine")
