"""Comparison of two rows: paired episodes on each track, and a test across tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import numpy as np

from freeshot.basics.errors import EpisodeError, UnknownNameError
from freeshot.leaderboard.across_tracks import caveats
from freeshot.leaderboard.board import Board
from freeshot.leaderboard.entry import Entry
from freeshot.leaderboard.pairwise import Pair, all_pairs, verdict_intervals
from freeshot.leaderboard.selection import boards_of_suite, find_rows, row_names, unknown_row
from freeshot.stats.intervals import Interval
from freeshot.stats.paired_tests import EQUIVALENT, VERDICTS, holm, wilcoxon


@dataclass(frozen=True)
class Comparison:
    """Comparison of two rows on all tracks that both have."""

    first: Entry
    second: Entry
    tracks: tuple[Pair, ...]
    equivalent: float

    @property
    def wins(self) -> Mapping[str, int]:
        """Count the verdicts."""
        return {name: sum(t.verdict == name for t in self.tracks) for name in VERDICTS}

    @property
    def differences(self) -> list[float]:
        """The mean difference on each track."""
        return [t.evidence.interval.mean for t in self.tracks]

    @property
    def mean_difference(self) -> float:
        """Average the tracks' differences."""
        return float(np.mean(self.differences))

    @property
    def interquartile_difference(self) -> float:
        """Average the middle half of the tracks' differences (IQM), robust to a single extreme track."""
        from scipy.stats import trim_mean

        return float(trim_mean(self.differences, 0.25))

    @property
    def across_tracks(self) -> float:
        """Two-sided p of Wilcoxon's signed ranks over the tracks' mean differences: the tracks are the sample."""
        return wilcoxon(self.differences)

    @property
    def cautions(self) -> tuple[str, ...]:
        """List the limitations of these numbers."""
        seeds = [min(row.cells[t.track].seeds for row in (self.first, self.second)) for t in self.tracks]
        sentences = caveats([t.track for t in self.tracks], min(seeds))
        if any(t.over_seeds is None and count > 1 for t, count in zip(self.tracks, seeds, strict=True)):
            sentences += ("The rows share fewer than two training seeds on a track; there this is about those runs.",)
        return sentences


def compare(
    board: Board, first: str, second: str, tracks: Sequence[str] = ("*",), equivalent: float = EQUIVALENT
) -> Comparison:
    """Compare two rows, each given by full or short label or by a method with a single row; pair shared episodes only.

    UnknownNameError if a name matches no row or several; EpisodeError if the rows have no track in common, or if their
    episodes on a track differ.
    """
    a, b = _only_row(board, first), _only_row(board, second)
    shared = [t for t in sorted(a.averages.keys() & b.averages.keys()) if any(fnmatchcase(t, p) for p in tracks)]
    if not shared:
        raise EpisodeError(f"'{a.label}' and '{b.label}' have no requested track in common. Run both on one of them.")
    for name in shared:
        if _episodes(a, name) != _episodes(b, name):
            raise EpisodeError(
                f"'{a.label}' and '{b.label}' have different episodes on '{name}'. Run one of them again."
            )
    pairs = [pair for name in shared for pair in all_pairs((a, b), name, equivalent)]
    adjusted = holm([pair.evidence.sign_flip for pair in pairs])
    return Comparison(a, b, tuple(replace(pair, holm=p) for pair, p in zip(pairs, adjusted, strict=True)), equivalent)


def board_with_both(every: Sequence[Board], rows: tuple[str, str], suite: str | None = None) -> Board:
    """Return the newest board that has both rows; UnknownNameError if there is none, or several suites have both."""
    candidates = boards_of_suite(every, suite)
    if suite is not None:
        candidates = [max(candidates, key=lambda board: board.version)]
    matching = _with_both(candidates, rows)
    if not matching:
        _require_known(candidates, rows, suite)
        suites = ", ".join(sorted({board.suite for board in every}))
        raise UnknownNameError(f"No suite has both rows. Suites with records: {suites}.")
    if len({board.suite for board in matching}) > 1:
        raise UnknownNameError(f"Several suites have both rows: {', '.join(b.suite for b in matching)}. Use --suite.")
    return max(matching, key=lambda board: board.version)


def _with_both(candidates: Sequence[Board], rows: tuple[str, str]) -> list[Board]:
    """Return the boards that have both names as labels, or else those that have them as methods or short labels."""
    names = set(rows)
    exactly = [board for board in candidates if names <= {row.label for row in board.all_rows}]
    return exactly or [board for board in candidates if names <= row_names(board)]


def _require_known(candidates: Sequence[Board], rows: tuple[str, str], suite: str | None) -> None:
    """Raise UnknownNameError for the first name that no board has."""
    known = {name for board in candidates for name in row_names(board)}
    for name in rows:
        if name not in known:
            raise unknown_row(candidates, name, suite)


@dataclass(frozen=True)
class Differences:
    """Intervals of first − second of two rows, for each track that both have."""

    first: str
    second: str
    by_track: Mapping[str, Interval]


def default_differences(board: Board) -> tuple[Differences, ...]:
    """Compare the board's default pair of methods; a method with several rows gives several comparisons.

    Using only the best row of a method would select it on the test episodes.
    """
    if board.pair is None:
        return ()
    first, second = (find_rows(board, name, "method") for name in board.pair)
    pairs = ((a, b, [track for track in a.averages if track in b.averages]) for a in first for b in second)
    return tuple(
        Differences(a.label, b.label, {track: verdict_intervals((a, b), track, [(0, 1)])[0] for track in shared})
        for a, b, shared in pairs
        if shared
    )


def _episodes(row: Entry, track: str) -> tuple[set[str], int]:
    """Identify the episodes of a row on a track: hashes of their lists, and their number."""
    hashes = {r.hashes.get("episodes", r.spec.track.episodes_sha256) for r in row.finished(track)}
    return hashes, len(row.averages[track])


def _only_row(board: Board, name: str) -> Entry:
    rows = find_rows(board, name, "label", "short_label", "method")
    if not rows:
        raise unknown_row([board], name, board.suite)
    if len(rows) > 1:
        labels = "; ".join(row.label for row in rows)
        raise UnknownNameError(f"'{name}' matches several rows: {labels}. Use one of these labels.")
    return rows[0]
