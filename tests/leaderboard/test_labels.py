from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot.leaderboard import boards
from freeshot.leaderboard.compare import compare

if TYPE_CHECKING:
    from collections.abc import Callable

    from freeshot.records.models import RunRecord

    Make = Callable[..., RunRecord]


def short(*records: RunRecord) -> list[str]:
    (board,) = boards(records)
    return sorted(row.short_label for row in board.rows)


def test_a_row_is_named_by_how_it_differs_from_the_usual_options(record: Make) -> None:
    usual = {"pace": 0.1, "steps": 5}
    rows = [usual, usual | {"pace": 0.2}, usual | {"steps": 9}, usual | {"pace": 0.2, "steps": 9}]
    actual = short(record("beta"), *(record(options=options) for options in [*rows, usual | {"pace": 0.3, "steps": 5}]))
    assert actual == [
        "alpha",
        "alpha [pace=0.2, steps=9]",
        "alpha [pace=0.2]",
        "alpha [pace=0.3]",
        "alpha [steps=9]",
        "beta",
    ]


def test_the_usual_option_of_a_component_is_of_rows_with_that_component(record: Make) -> None:
    slow, fast = ({"learner": "walk", "learner_options": {"pace": pace}} for pace in (1, 2))
    actual = short(record(**slow), record(**slow, options={"x": 1}), record(**fast), record(learner="run"))
    assert actual == ["alpha", "alpha [learner.pace=2]", "alpha [learner=run]", "alpha [x=1]"]


def test_where_short_labels_would_be_equal_full_labels_are_kept(record: Make) -> None:
    (board,) = boards([record(options={"text": text}) for text in ("", "x" * 50 + "a", "x" * 50 + "b")])
    assert len({row.short_label for row in board.rows}) == 3
    assert all(row.label == row.short_label for row in board.rows)


def test_a_single_row_keeps_its_name(record: Make) -> None:
    assert short(record(options={"pace": 1})) == ["alpha"]


def test_tables_use_short_labels_where_a_method_has_many_rows(record: Make) -> None:
    usual = {"pace": 0.1, "steps": 5}
    settings = [usual, usual | {"pace": 0.2}, usual | {"steps": 9}]
    (board,) = boards(
        [*(record(options=options) for options in settings), *(record("beta", options={"x": x}) for x in (1, 2))]
    )
    actual = board.with_short_labels()
    assert sorted(row.label for row in actual.rows) == [
        "alpha",
        "alpha [pace=0.2]",
        "alpha [steps=9]",
        "beta [x=1]",
        "beta [x=2]",
    ]
    assert [row.cells for row in actual.rows] == [row.cells for row in board.rows]


def test_rows_can_be_compared_by_their_short_labels(record: Make) -> None:
    usual = {"pace": 0.1, "steps": 5}
    settings = [usual, usual | {"pace": 0.2}, usual | {"steps": 9}]
    (board,) = boards([record(options=options, phase=phase) for phase, options in enumerate(settings)])
    actual = compare(board, "alpha", "alpha [steps=9]")
    assert (actual.first.label, actual.second.label) == ("alpha [pace=0.1, steps=5]", "alpha [pace=0.1, steps=9]")
