"""Secondary metrics are read from the records, and are absent where the records lack them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.leaderboard.conftest import EPISODES, INSTALLED, SKETCH, make_record

from freeshot.leaderboard.board import boards
from freeshot.leaderboard.secondary_metrics import half_widths, secondary_metrics
from freeshot.records.models import IntervalRecord, Quality, RunRecord
from freeshot.render.csv_json import lines
from freeshot.render.markdown import markdown

if TYPE_CHECKING:
    from freeshot.leaderboard.board import Board


def with_quality(record: RunRecord, half: float = 0.08, ece: float = 0.1) -> RunRecord:
    """Add the fields of newer records."""
    assert record.interval is not None
    mean = record.interval.mean
    spreads = tuple(
        IntervalRecord(mean=mean, low=mean - width, high=mean + width, level=0.95, covers=covers)
        for covers, width in (("episodes and images", half), ("episodes, images and classes", 2 * half))
    )
    changed: dict[str, Any] = {
        "wider_intervals": spreads,
        "quality": Quality(ece=ece, brier=0.5, recall={"cat": 0.5}),
        "log_odds": [float(i) for i in range(EPISODES)],
    }
    return record.model_copy(update=changed)


def board(*records: RunRecord) -> Board:
    return boards(records, INSTALLED)[0]


def test_half_widths_go_from_narrow_to_wide() -> None:
    row = board(with_quality(make_record())).rows[0]
    actual = half_widths(row, SKETCH)
    interval = row.cells[SKETCH].interval
    assert interval is not None
    assert list(actual.values()) == pytest.approx([interval.half_width, 0.08, 0.16])


def test_half_widths_are_averaged_over_seeds() -> None:
    row = board(with_quality(make_record(seed=0), half=0.06), with_quality(make_record(seed=1), half=0.1)).rows[0]
    assert half_widths(row, SKETCH)["episodes and images"] == pytest.approx(0.08)


def test_a_half_width_that_one_seed_lacks_is_missing_from_the_row() -> None:
    row = board(with_quality(make_record(seed=0)), make_record(seed=1)).rows[0]
    assert list(half_widths(row, SKETCH)) == ["episodes"]


def test_a_track_that_was_not_run_has_no_width() -> None:
    assert half_widths(board(make_record()).rows[0], "in-domain/none/5w1s") == {}


def test_hard_episodes_are_those_of_the_frozen_backbone() -> None:
    reference = with_quality(make_record("frozen-prototype"))
    actual = {metrics.label: metrics for metrics in secondary_metrics(board(reference, make_record("alpha")))}
    scores = make_record("alpha").accuracies
    assert actual["alpha"].easiest_tenth == pytest.approx(sum(scores[:2]) / 2)
    assert actual["alpha"].hardest_tenth == pytest.approx(sum(scores[-2:]) / 2)


def test_without_the_frozen_backbones_log_odds_no_episode_is_called_hard() -> None:
    only = secondary_metrics(board(with_quality(make_record("alpha"))))[0]
    assert (only.easiest_tenth, only.hardest_tenth) == (None, None)


def test_calibration_is_averaged_where_every_record_has_it() -> None:
    both = secondary_metrics(
        board(with_quality(make_record(seed=0), ece=0.1), with_quality(make_record(seed=1), ece=0.3))
    )[0]
    assert [both.ece, both.brier] == pytest.approx([0.2, 0.5])
    assert secondary_metrics(board(with_quality(make_record(seed=0)), make_record(seed=1)))[0].ece is None


def test_the_page_shows_widths_and_leaves_out_empty_columns() -> None:
    page = markdown(boards([with_quality(make_record("alpha"))]))
    assert "Half-widths: episodes / and other images / and other classes" in page
    assert "/ 8.00 / 16.00" in page
    assert "ECE" in page
    assert "Hardest" not in page


def test_a_page_of_older_records_has_no_widths() -> None:
    assert "Half-widths" not in markdown(boards([make_record("alpha")]))


def test_csv_lines_hold_secondary_metrics() -> None:
    line = lines(boards([with_quality(make_record("alpha"))]))[0]
    assert [line[key] for key in ("half_with_images", "half_with_classes", "ece")] == pytest.approx([0.08, 0.16, 0.1])
    assert lines(boards([make_record("alpha")]))[0]["half_with_images"] is None
