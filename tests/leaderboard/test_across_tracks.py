"""Standings across tracks follow from ranks, pairs and resampled tracks, and agree with established libraries."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from freeshot.leaderboard import boards
from freeshot.leaderboard.across_tracks import Standings, cliques, standings
from freeshot.stats.paired_tests import holm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from freeshot.records.models import RunRecord

    Make = Callable[..., RunRecord]

TRACKS = [f"in-domain/set-{letter}/5w1s" for letter in "abcdefgh"]


def standings_of(record: Make, means: Mapping[str, Sequence[float]], **fields: Any) -> Standings:
    """Return the standings of methods by their means on the first tracks."""
    records = [
        record(method, track, mean, **fields)
        for method, per_track in means.items()
        for track, mean in zip(TRACKS, per_track, strict=False)
    ]
    actual = standings(boards(records)[0])
    assert actual is not None
    return actual


@pytest.fixture
def ladder() -> dict[str, list[float]]:
    """Four methods on eight tracks, of which the best two are equal."""
    rng = np.random.default_rng(1)
    hard = rng.uniform(0.3, 0.6, 8)
    shifts = {"delta": 0.0, "beta": 0.1, "alpha": 0.2, "gamma": 0.2}
    return {name: [float(x) for x in hard + shift + rng.normal(0, 0.01, 8)] for name, shift in shifts.items()}


def test_ranks_are_averaged_and_the_best_row_leads(record: Make) -> None:
    actual = standings_of(record, {"a": [0.4, 0.5, 0.5], "b": [0.5, 0.6, 0.5], "c": [0.3, 0.7, 0.4]})
    assert actual.rows == ("b", "a", "c")
    assert actual.average_ranks == pytest.approx((1.5, 6.5 / 3, 7 / 3))
    assert actual.tracks == tuple(TRACKS[:3])


def test_the_outer_quarters_of_the_tracks_do_not_count_for_the_iqm(record: Make) -> None:
    actual = standings_of(record, {"a": [0.1, 0.5, 0.6, 0.9], "b": [0.1, 0.2, 0.3, 0.4]})
    assert actual.interquartile_means == pytest.approx((0.55, 0.25))


def test_friedman_is_scipys_over_all_rows(record: Make, ladder: dict[str, list[float]]) -> None:
    from scipy.stats import friedmanchisquare

    assert standings_of(record, ladder).friedman == pytest.approx(friedmanchisquare(*ladder.values()).pvalue)


@pytest.mark.parametrize("rows", ["ab", "abc"])
def test_friedmans_p_is_1_below_three_rows_and_where_all_are_equal(record: Make, rows: str) -> None:
    assert standings_of(record, {row: [0.5, 0.5] for row in rows}).friedman == 1


def test_rows_that_lack_a_track_and_controls_are_left_out(record: Make) -> None:
    records = [record(m, t) for m in "ab" for t in TRACKS[:2]] + [record("c"), record("floor", role="floor")]
    records += [record(m) for m in "ab"]
    actual = standings(boards(records)[0])
    assert actual is not None
    assert actual.rows == ("a", "b")


def test_one_row_has_no_standing(record: Make) -> None:
    assert standings(boards([record("a"), record("floor", role="floor")])[0]) is None


def test_pairs_and_cliques_are_those_of_scikit_posthocs(record: Make, ladder: dict[str, list[float]]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its plotting library warns of another
        posthocs = pytest.importorskip("scikit_posthocs")
    actual = standings_of(record, ladder)
    theirs = posthocs.posthoc_wilcoxon([ladder[name] for name in actual.rows], p_adjust="holm").to_numpy()
    assert np.allclose(actual.adjusted, theirs, atol=1e-12)
    apart = theirs < 0.05
    same = [[(min(i, j), max(i, j)) for j in range(4) if not apart[i, j] and i != j] for i in range(4)]
    assert actual.cliques == ((0, 1),)
    assert {pair for line in same for pair in line} == {(0, 1)}


def test_holm_is_that_of_statsmodels() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    rng = np.random.default_rng(0)
    for count in (1, 2, 7, 45):
        ps = [float(p) for p in rng.beta(0.5, 5, count)]
        assert holm(ps) == pytest.approx(multitest.multipletests(ps, method="holm")[1])


@pytest.mark.parametrize(
    ("apart", "expected"),
    [
        ([], ((0, 1, 2, 3),)),
        ([(0, 3)], ((0, 1, 2), (1, 2, 3))),
        ([(0, 2), (0, 3), (1, 3)], ((0, 1), (1, 2), (2, 3))),
        ([(0, 1), (0, 2), (0, 3)], ((1, 2, 3),)),
        ([(0, 1), (1, 2), (2, 3), (0, 2), (1, 3), (0, 3)], ()),
    ],
)
def test_cliques_are_the_longest_runs_without_a_pair_apart(apart: Any, expected: Any) -> None:
    matrix = [[0.01 if (i, j) in apart or (j, i) in apart else 1.0 for j in range(4)] for i in range(4)]
    assert cliques(matrix) == expected


def test_wins_are_shares_of_tracks_with_ties_half(record: Make) -> None:
    actual = standings_of(record, {"a": [0.6, 0.6, 0.5, 0.5], "b": [0.5, 0.5, 0.5, 0.6]})
    ours, theirs = actual.wins[0][1], actual.wins[1][0]
    assert (ours.mean, theirs.mean, actual.wins[0][0].mean) == (0.625, 0.375, 0.5)
    assert (theirs.low, theirs.high) == (1 - ours.high, 1 - ours.low)
    assert ours.covers == "tracks"


def test_the_interval_of_wins_is_the_percentile_bootstrap_over_tracks(record: Make) -> None:
    from scipy.stats import bootstrap

    wins = np.array([1, 1, 1, 1, 1, 0, 0.5, 1])
    actual = standings_of(record, {"a": list(0.45 + wins / 10), "b": [0.5] * 8}).wins[0][1]
    theirs = bootstrap((wins,), np.mean, method="percentile", rng=np.random.default_rng(3)).confidence_interval
    assert (actual.mean, actual.low, actual.high) == pytest.approx((wins.mean(), theirs.low, theirs.high), abs=0.07)


def test_seeds_that_disagree_widen_the_interval_of_wins(record: Make) -> None:
    means = {"a": [0.55] * 8, "b": [0.5] * 8}
    sure = standings_of(record, means).wins[0][1]
    records = [record("a", track, mean, seed=seed) for track in TRACKS for seed, mean in enumerate((0.4, 0.65, 0.6))]
    actual = standings(boards([*records, *(record("b", track, 0.5) for track in TRACKS)])[0])
    assert actual is not None
    assert (sure.low, sure.high, sure.covers) == (1, 1, "tracks")
    assert (actual.wins[0][1].mean, actual.wins[0][1].low) == (1, 0)
    assert actual.wins[0][1].covers == "tracks and training seeds"


def test_a_seed_that_lacks_a_track_is_left_out(record: Make) -> None:
    records = [record("a", track, 0.6, seed=seed) for track in TRACKS for seed in (0, 1)][:-1]
    actual = standings(boards([*records, *(record("b", track, 0.5) for track in TRACKS)])[0])
    assert actual is not None
    assert (actual.wins[0][1].low, actual.wins[0][1].high) == (1, 1)


def test_verdicts_are_counted_over_tracks(record: Make) -> None:
    actual = standings_of(record, {"a": [0.6, 0.6, 0.501, 0.5], "b": [0.5, 0.5, 0.5, 0.6]})
    assert actual.verdicts[0][1] == {"better": 2, "equal": 1, "worse": 1, "undecided": 0}
    assert actual.verdicts[1][0] == {"better": 1, "equal": 1, "worse": 2, "undecided": 0}
    assert actual.verdicts[0][0] == {"better": 0, "equal": 4, "worse": 0, "undecided": 0}


def test_few_tracks_and_single_seeds_are_cautioned(record: Make, ladder: dict[str, list[float]]) -> None:
    (seeds,) = standings_of(record, ladder).cautions
    assert "one training seed" in seeds
    few, _ = standings_of(record, {"a": [0.5], "b": [0.6]}).cautions
    assert few == "1 track is too few for a claim across tracks; it takes 5 at least."


def test_tracks_that_share_a_data_set_are_cautioned(record: Make) -> None:
    tracks = [f"in-domain/set-{letter}/5w{shot}s" for letter in "abc" for shot in (1, 5)]
    actual = standings(boards([record(m, t, 0.5, seed=s) for m in "ab" for t in tracks for s in (0, 1)])[0])
    assert actual is not None
    assert actual.cautions == (
        "6 tracks lie on 3 data sets: those that share one are not independent, which makes p across tracks too small.",
    )


def test_standings_of_many_rows_can_omit_wins_and_verdicts(record: Make, ladder: dict[str, list[float]]) -> None:
    board = boards([record(m, t, mean) for m, means in ladder.items() for t, mean in zip(TRACKS, means, strict=True)])[
        0
    ]
    whole, without = standings(board, len(ladder)), standings(board, len(ladder) - 1)
    assert whole is not None
    assert without == replace(whole, wins=(), verdicts=())
    assert whole == standings(board)


def test_too_few_tracks_to_distinguish_any_two_of_many_rows_are_cautioned(record: Make) -> None:
    rows = {f"row-{i}": [0.3 + 0.02 * i] * 7 for i in range(4)}  # every track agrees
    three, four = standings_of(record, dict([*rows.items()][:3])), standings_of(record, rows)
    assert three.adjusted[0][2] == pytest.approx(3 * 2 / 2**7)
    assert not any("cannot be distinguished" in text for text in three.cautions)
    assert min(map(min, four.adjusted)) == pytest.approx(6 * 2 / 2**7)
    assert four.cautions[-1].startswith("4 rows on 7 tracks cannot be distinguished whatever their numbers")
    assert "below 0.094." in four.cautions[-1]
