"""Comparison of two rows: paired episodes on each track, and a test across tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import numpy as np

from freeshot.basics.errors import EpisodeError, UnknownNameError
from freeshot.leaderboard.board import Board, Row
from freeshot.leaderboard.caveats import cautions
from freeshot.leaderboard.lookup import by_label, by_method, by_short_label, unknown_row
from freeshot.leaderboard.pairs import over_seeds
from freeshot.stats.intervals import Interval
from freeshot.stats.paired_tests import EQUIVALENT, VERDICTS, Evidence, Verdict, evidence, holm, verdict, wilcoxon


@dataclass(frozen=True)
class TrackComparison:
    """Comparison of two rows on one track."""

    track: str
    first: float
    second: float
    evidence: Evidence
    holm: float
    """The sign-flip p, adjusted for the number of tracks compared."""
    seeds: tuple[int, int]
    verdict: Verdict
    """Applies to the methods if `over_seeds` is available, otherwise only to these runs."""
    over_seeds: Interval | None
    """Interval of the difference over episodes and training seeds; None below two shared seeds."""


@dataclass(frozen=True)
class Comparison:
    """Comparison of two rows on all tracks that both have."""

    first: str
    second: str
    tracks: tuple[TrackComparison, ...]
    equivalent: float

    @property
    def wins(self) -> Mapping[str, int]:
        """Count the verdicts."""
        return {name: sum(t.verdict == name for t in self.tracks) for name in VERDICTS}

    @property
    def mean_difference(self) -> float:
        """Average the tracks' differences."""
        return float(np.mean([t.evidence.interval.mean for t in self.tracks]))

    @property
    def interquartile_difference(self) -> float:
        """Average the middle half of the tracks' differences (IQM), robust to a single extreme track."""
        from scipy.stats import trim_mean

        return float(trim_mean([t.evidence.interval.mean for t in self.tracks], 0.25))

    @property
    def across_tracks(self) -> float:
        """Two-sided p of Wilcoxon's signed ranks over the tracks' mean differences: the tracks are the sample."""
        return wilcoxon([t.evidence.interval.mean for t in self.tracks])

    @property
    def cautions(self) -> tuple[str, ...]:
        """List the limitations of these numbers."""
        found = cautions([t.track for t in self.tracks], min(min(t.seeds) for t in self.tracks))
        if any(t.over_seeds is None and min(t.seeds) > 1 for t in self.tracks):
            found += ("The rows share fewer than two training seeds on a track; there this is about those runs.",)
        return found


def compare(
    board: Board, first: str, second: str, tracks: Sequence[str] = ("*",), equivalent: float = EQUIVALENT
) -> Comparison:
    """Compare two rows, each given by full or short label or by a method with a single row; pair shared episodes only.

    UnknownNameError if a name matches no row or several; EpisodeError if the rows have no track in common, or if their
    episodes on a track differ.
    """
    a, b = _row(board, first), _row(board, second)
    shared = [name for name in sorted(a.line.scores) if name in b.line.scores and _asked(name, tracks)]
    if not shared:
        raise EpisodeError(f"'{a.label}' and '{b.label}' have no requested track in common. Run both on one of them.")
    found = [_on_track(a, b, name, equivalent) for name in shared]
    adjusted = holm([one.evidence.sign_flip for one in found])
    return Comparison(
        a.label, b.label, tuple(replace(one, holm=p) for one, p in zip(found, adjusted, strict=True)), equivalent
    )


def _on_track(a: Row, b: Row, name: str, equivalent: float) -> TrackComparison:
    lists = {row.label: _episodes(row, name) for row in (a, b)}
    if len(set(lists.values())) > 1:
        raise EpisodeError(f"'{a.label}' and '{b.label}' have different episodes on '{name}'. Run one of them again.")
    ours, theirs = (row.line.averages[name] for row in (a, b))
    weighed = evidence(ours - theirs)
    wider = over_seeds(a, b, name)
    return TrackComparison(
        name,
        float(ours.mean()),
        float(theirs.mean()),
        weighed,
        weighed.sign_flip,
        (a.cells[name].seeds, b.cells[name].seeds),
        verdict(wider or weighed.interval, equivalent),
        wider,
    )


def _episodes(row: Row, track: str) -> tuple[str, int]:
    """Identify the episodes of a row on a track: hashes of their lists, and their number."""
    records = row.line.finished(track)
    stated = {r.hashes.get("episodes", r.spec.track.episodes_sha256) for r in records}
    return ",".join(sorted(stated)), len(row.line.scores[track])


def _row(board: Board, name: str) -> Row:
    found = by_label(board, name) or by_short_label(board, name) or by_method(board, name)
    if not found:
        raise unknown_row([board], name, board.suite)
    if len(found) > 1:
        labels = "; ".join(row.label for row in found)
        raise UnknownNameError(f"'{name}' matches several rows: {labels}. Use one of these labels.")
    return found[0]


def _asked(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
