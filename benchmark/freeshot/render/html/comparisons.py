"""Comparisons of rows for the HTML page: pairs on each track, and standings across tracks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from freeshot.basics.text import counted
from freeshot.leaderboard.across_tracks import Standings, ranks_on_tracks
from freeshot.leaderboard.board import Board
from freeshot.leaderboard.compare import default_differences
from freeshot.leaderboard.entry import Entry
from freeshot.leaderboard.pairwise import Conclusion, conclusion, verdict_intervals
from freeshot.render.format import one_line, p_value
from freeshot.stats.paired_tests import VERDICTS, superiority, verdict

PAIRED = 40
"""Maximal number of rows that the page compares with each other: pairs grow with its square."""

Plain = dict[str, Any]
Pairs = dict[str, list[list[Any] | None]]
"""'i j' → for each track mean, low, high, verdict, share of episodes won, whether over seeds; None if one lacks it."""


def default_pair(board: Board) -> list[int]:
    """Return the indices of the rows to compare first: those of the suite's pair, else the first two."""
    labels = [row.label for row in board.all_rows]
    for pair in default_differences(board):
        indices = [labels.index(pair.first), labels.index(pair.second)]
        if max(indices) < PAIRED:
            return indices
    return [0, min(1, len(labels) - 1)] if labels else []


def pairs_of(rows: Sequence[Entry], tracks: Sequence[str]) -> Pairs:
    """Compare the first PAIRED rows with each other."""
    pairs: Pairs = {}
    for index, track in enumerate(tracks):
        present = [(number, row) for number, row in enumerate(rows[:PAIRED]) if track in row.averages]
        combined = list(combinations(range(len(present)), 2))
        intervals = verdict_intervals([row for _, row in present], track, combined)
        for (a, b), interval in zip(combined, intervals, strict=True):
            (i, first), (j, second) = present[a], present[b]
            numbers = [round(value, 6) for value in (interval.mean, interval.low, interval.high)]
            won = round(superiority(first.averages[track] - second.averages[track]), 4)
            of_pair = pairs.setdefault(f"{i} {j}", [None] * len(tracks))
            of_pair[index] = [*numbers, verdict(interval), won, "seeds" in interval.covers]
    return pairs


def conclusions_of(pairs: Pairs) -> dict[str, Conclusion]:
    """Summarise each pair over all its tracks."""
    return {key: conclusion(track[3] for track in tracks if track) for key, tracks in pairs.items()}


def standings_data(ranked: Standings, board: Board) -> Plain:
    """Return ranks, and for each row the rows that it wins or loses against on most tracks."""
    labels = [row.label for row in board.all_rows]
    by_label = dict(zip(labels, board.all_rows, strict=True))
    each = ranks_on_tracks([by_label[label] for label in ranked.rows], ranked.tracks)
    positions = [labels.index(label) for label in ranked.rows]
    count = len(ranked.rows)
    # a bar that joins all rows shows nothing
    cliques = [clique for clique in ranked.cliques if len(clique) < count]
    joined = "A bar joins rows without a significant difference" if cliques else "Differences are tested in pairs"
    return {
        "rows": positions,
        "note": f"Average ranks over {counted(len(ranked.tracks), 'track')} by the mean alone, the "
        f"best on top; the table above lets rows share a rank instead. {joined} "
        "(Wilcoxon's signed ranks with Holm's adjustment, p ≥ 0.05). Friedman's test that all rows have "
        f"equal expected ranks: p {p_value(ranked.friedman)}.",
        "cautions": [one_line(text) for text in ranked.cautions],
        "ranks": [round(rank, 4) for rank in ranked.average_ranks],
        "each": each.tolist(),
        "texts": [
            f"{one_line(label)}: average rank {rank:.2f}, middle half of the tracks {_points(middle)} %"
            for label, rank, middle in zip(ranked.rows, ranked.average_ranks, ranked.interquartile_means, strict=True)
        ],
        "cliques": [list(clique) for clique in cliques],
        "ahead": [[_win(ranked, i, j, positions) for j in range(count) if _wins(ranked, i, j)] for i in range(count)],
        "behind": [[positions[j] for j in range(count) if _wins(ranked, j, i)] for i in range(count)],
    }


def _wins(ranked: Standings, i: int, j: int) -> bool:
    """Return whether row i wins more than half of the tracks against row j, beyond the interval over tracks."""
    return i != j and ranked.wins[i][j].low > 0.5


def _win(ranked: Standings, i: int, j: int, positions: Sequence[int]) -> list[Any]:
    """Return the index of the row that row i is ahead of, and in words how often it wins."""
    share, counts = ranked.wins[i][j], ranked.verdicts[i][j]
    verdicts = ", ".join(f"{counts[name]} {name}" for name in VERDICTS if counts[name])
    return [positions[j], f"wins {100 * share.mean:.0f} % of the tracks; {verdicts}"]


def _points(share: float) -> str:
    return f"{100 * share:.2f}"
