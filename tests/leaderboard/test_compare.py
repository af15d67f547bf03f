"""Rows are compared on the episodes they share, and only there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from freeshot.basics.errors import EpisodeError, UnknownNameError
from freeshot.leaderboard import boards
from freeshot.leaderboard.compare import compare
from freeshot.stats.paired_tests import evidence

if TYPE_CHECKING:
    from collections.abc import Callable

    from freeshot.records.models import RunRecord

TRACKS = [f"in-domain/set-{letter}/5w1s" for letter in "abcdef"]


@pytest.fixture
def pair(record: Callable[..., RunRecord]) -> list[RunRecord]:
    """Two methods on six tracks, alpha two points better on each."""
    return [
        record(method, track, mean + 0.01 * index, phase=index % 3)
        for index, track in enumerate(TRACKS)
        for method, mean in (("alpha", 0.52), ("beta", 0.5))
    ]


def compared(records: list[RunRecord], first: str = "alpha", second: str = "beta", **options: Any) -> Any:
    (board,) = boards(records)
    return compare(board, first, second, **options)


def test_each_track_has_the_evidence_of_its_paired_episodes(pair: list[RunRecord]) -> None:
    actual = compared(pair)
    assert [t.track for t in actual.tracks] == TRACKS
    ours, theirs = (
        next(r for r in pair if r.spec.method.name == m and r.spec.track.name == TRACKS[0]) for m in ("alpha", "beta")
    )
    expected = evidence([a - b for a, b in zip(ours.accuracies, theirs.accuracies, strict=True)])
    assert actual.tracks[0].evidence == expected
    assert actual.tracks[0].verdict == "better"
    assert actual.wins == {"better": 6, "equal": 0, "worse": 0, "undecided": 0}
    assert actual.mean_difference == pytest.approx(0.02)
    assert actual.interquartile_difference == pytest.approx(0.02)


def test_p_values_are_adjusted_for_the_tracks(pair: list[RunRecord]) -> None:
    actual = compared(pair)
    assert actual.tracks[0].holm == pytest.approx(min(1, 6 * actual.tracks[0].evidence.sign_flip))


def test_tracks_can_be_chosen(pair: list[RunRecord]) -> None:
    actual = compared(pair, tracks=("*/set-b/*",))
    assert [t.track for t in actual.tracks] == [TRACKS[1]]
    assert any("too few for a claim across tracks" in caution for caution in actual.cautions)


def test_six_tracks_are_enough_and_one_seed_is_not(pair: list[RunRecord]) -> None:
    (caution,) = compared(pair).cautions
    assert "one training seed" in caution


def test_the_region_of_equivalence_can_be_chosen(pair: list[RunRecord]) -> None:
    assert compared(pair, equivalent=0.03).wins["equal"] == 6


def test_rows_with_other_episodes_are_an_error(record: Callable[..., RunRecord]) -> None:
    records = [record("alpha"), record("beta")]
    other = records[1].model_copy(update={"hashes": {"episodes": "bb"}})
    first = records[0].model_copy(update={"hashes": {"episodes": "aa"}})
    with pytest.raises(EpisodeError, match="have different episodes"):
        compared([first, other])


def test_rows_without_a_shared_track_are_an_error(record: Callable[..., RunRecord]) -> None:
    with pytest.raises(EpisodeError, match="have no requested track in common"):
        compared([record("alpha", TRACKS[0]), record("beta", TRACKS[1])])


def test_a_name_of_no_row_or_of_several_is_an_error(record: Callable[..., RunRecord]) -> None:
    records = [record("alpha", learner="one"), record("alpha", learner="two"), record("beta")]
    with pytest.raises(UnknownNameError, match="matches several rows"):
        compared(records)
    with pytest.raises(UnknownNameError, match="Did you mean 'beta'"):
        compared(records, "alpha [learner=one]", "betta")
    assert compared(records, "alpha [learner=one]", "beta").first.label == "alpha [learner=one]"
