"""All pairs of a board have the evidence of each pair alone; training seeds widen their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from freeshot.leaderboard import boards
from freeshot.leaderboard.compare import compare
from freeshot.leaderboard.pairwise import Pair, all_pairs, intervals_over_seeds, verdict_intervals
from freeshot.stats.crossed_effects import crossed
from freeshot.stats.paired_tests import evidence, holm

if TYPE_CHECKING:
    from collections.abc import Callable

    from freeshot.leaderboard import Board
    from freeshot.leaderboard.entry import Entry
    from freeshot.records.models import RunRecord
    from freeshot.stats.intervals import Interval

    Make = Callable[..., RunRecord]

SKETCH, FLAGS = "in-domain/sketch/5w1s", "cross-domain/flags/5w1s"


def pairs_of(board: Board) -> list[Pair]:
    return [pair for track in board.tracks for pair in all_pairs(board.rows, track.name)]


def over_seeds(first: Entry, second: Entry, track: str) -> Interval | None:
    (actual,) = intervals_over_seeds((first, second), track, [(0, 1)])
    return actual


@pytest.fixture
def seeded(record: Make) -> list[RunRecord]:
    """Two methods, of which the first is two points better on average, and five at its worst seed."""
    means = {"alpha": (0.55, 0.50, 0.51), "beta": (0.50, 0.50, 0.50)}
    return [record(m, mean=mean, seed=seed) for m, of in means.items() for seed, mean in enumerate(of)]


def test_each_pair_has_the_evidence_of_its_paired_episodes(record: Make) -> None:
    records = [record(m, t, mean, phase=i) for t in (SKETCH, FLAGS) for i, (m, mean) in enumerate(
        {"a": 0.6, "b": 0.58, "c": 0.4}.items()
    )]  # fmt: skip
    (board,) = boards(records)
    actual = pairs_of(board)
    assert [(p.track, p.first, p.second) for p in actual] == [
        (t, *pair) for t in (FLAGS, SKETCH) for pair in (("a", "b"), ("a", "c"), ("b", "c"))
    ]
    scores = {row.label: np.array(row.averages[SKETCH]) for row in board.rows}
    for pair in actual[3:]:
        alone = evidence(scores[pair.first] - scores[pair.second])
        assert (pair.evidence.interval, pair.evidence.sign_flip) == (alone.interval, alone.sign_flip)
        assert pair.over_seeds is None


def test_p_values_are_adjusted_for_all_pairs_of_a_track(record: Make) -> None:
    (board,) = boards(
        [record(m, mean=mean, phase=i) for i, (m, mean) in enumerate({"a": 0.6, "b": 0.55, "c": 0.5}.items())]
    )
    actual = pairs_of(board)
    assert [p.holm for p in actual] == holm([p.evidence.sign_flip for p in actual])


def test_controls_and_rows_without_the_track_make_no_pair(record: Make) -> None:
    records = [record("a"), record("b", FLAGS), record("floor", role="floor")]
    assert pairs_of(boards(records)[0]) == []


def test_the_interval_over_seeds_is_of_the_differences_seed_by_seed(seeded: list[RunRecord]) -> None:
    (board,) = boards(seeded)
    alpha, beta = sorted(board.rows, key=lambda row: row.label)
    differences = np.array([*alpha.runs[SKETCH].values()]) - np.array([*beta.runs[SKETCH].values()])
    actual = over_seeds(alpha, beta, SKETCH)
    assert actual is not None
    expected = crossed(differences)
    assert (actual.low, actual.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert actual.covers == "episodes and training seeds, paired"
    assert verdict_intervals((alpha, beta), SKETCH, [(0, 1)]) == [actual]


def test_only_seeds_that_both_rows_have_are_paired(record: Make) -> None:
    records = [record("a", mean=0.6, seed=s) for s in (0, 1)] + [record("b", seed=s) for s in (1, 2)]
    (board,) = boards(records)
    a, b = board.rows
    assert over_seeds(a, b, SKETCH) is None
    (message,) = verdict_intervals((a, b), SKETCH, [(0, 1)])
    assert message.covers == "episodes, paired"


def test_a_difference_of_runs_can_be_undecided_between_methods(seeded: list[RunRecord], record: Make) -> None:
    runs = compare(boards([r for r in seeded if r.spec.seed == 0])[0], "alpha", "beta")
    methods = compare(boards(seeded)[0], "alpha", "beta")
    assert [t.verdict for t in runs.tracks] == ["better"]
    assert [t.verdict for t in methods.tracks] == ["undecided"]
    assert [p.verdict for p in pairs_of(boards(seeded)[0])] == ["undecided"]
    assert any("one training seed" in caution for caution in runs.cautions)
    assert not any("seed" in caution for caution in methods.cautions)


def test_rows_that_share_too_few_seeds_are_cautioned(record: Make) -> None:
    records = [record("a", seed=s) for s in (0, 1)] + [record("b", seed=s) for s in (2, 3)]
    actual = compare(boards(records)[0], "a", "b")
    assert actual.tracks[0].over_seeds is None
    assert any("share fewer than two training seeds" in caution for caution in actual.cautions)
