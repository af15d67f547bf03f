"""The leaderboard model from which all output formats are rendered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from freeshot.contracts.leaderboard import Column, Published
from freeshot.leaderboard.entry import Line, lines_of
from freeshot.leaderboard.labels import configurations, labels
from freeshot.leaderboard.ranks import competition_ranks, mean
from freeshot.leaderboard.verdicts import verdict_intervals
from freeshot.records.comparability import drop_mismatched_episodes, drop_other_pools, drop_other_weights
from freeshot.records.load import age_key
from freeshot.records.models import RunRecord
from freeshot.stats.bootstrap import bca_intervals, bootstrapped
from freeshot.stats.crossed_effects import crossed
from freeshot.stats.intervals import Interval, student_t

Kind = Literal["t", "bca"]
"""Student's t, or the bias-corrected and accelerated bootstrap."""
CONTROLS = ("floor", "ceiling")
"""Roles that are shown separately and never ranked."""


@dataclass(frozen=True)
class Cell:
    """Result of a row on a track: an interval with its rank, or the status that explains its absence."""

    status: Literal["ok", "failed", "violated", "skipped"]
    interval: Interval | None
    rank: int | None
    seeds: int
    notes: tuple[str, ...]
    over_seeds: Interval | None = None
    """Interval over episodes and training seeds; None below two seeds."""


@dataclass(frozen=True)
class Row:
    """Results of a configuration on all tracks of a board; a track that was not run has no cell."""

    line: Line
    cells: Mapping[str, Cell]
    average_rank: float | None
    """Over all tracks of the board; None for controls and for rows that lack a track."""

    @property
    def label(self) -> str:
        """Name of the row, unique on its board."""
        return self.line.label


@dataclass(frozen=True)
class TrackColumn:
    """A track as a column of a table."""

    name: str
    way: int
    shot: int

    @property
    def section(self) -> str:
        """Table of the track, such as 'in-domain'."""
        return self.name.partition("/")[0]

    @property
    def title(self) -> tuple[str, str]:
        """Two lines of the column heading: data set, and size of its tasks."""
        middle, _, tail = self.name.partition("/")[2].rpartition("/")
        size = f"{self.way}-way {self.shot}-shot"
        return middle, size if tail == f"{self.way}w{self.shot}s" else tail or self.name


@dataclass(frozen=True)
class Board:
    """The leaderboard of one suite in one version of its tracks."""

    suite: str
    version: int
    tracks: tuple[TrackColumn, ...]
    rows: tuple[Row, ...]
    controls: tuple[Row, ...]
    episodes: tuple[int, ...]
    records: int
    limited: int
    """Number of records left out because they cover only part of the episodes or are not comparable."""
    problems: tuple[str, ...]
    interval: Kind = "t"
    """Kind of the intervals in the cells."""
    published: tuple[Published, ...] = ()
    """Numbers that papers report on its tracks; never ranked or compared."""

    @property
    def sections(self) -> dict[str, tuple[TrackColumn, ...]]:
        """Tracks by table; in-domain is first, because it is the easier setting."""
        names = sorted({t.section for t in self.tracks}, key=lambda name: (name != "in-domain", name))
        return {name: tuple(t for t in self.tracks if t.section == name) for name in names}


def boards(
    records: Iterable[RunRecord],
    columns: Sequence[Column] = (),
    interval: Kind = "t",
    published: Iterable[Published] = (),
) -> tuple[Board, ...]:
    """Group records into boards by suite and version of the tracks, the newest version first."""
    reported = tuple(published)
    groups: dict[tuple[str, int], list[RunRecord]] = defaultdict(list)
    for record in records:
        groups[record.spec.suite, -record.spec.track.version].append(record)
    made = (_board(suite, -version, groups[suite, version], columns, interval) for suite, version in sorted(groups))
    return tuple(_with_published(board, reported) for board in made)


def _with_published(board: Board, reported: Sequence[Published]) -> Board:
    names = {track.name for track in board.tracks}
    return replace(board, published=tuple(one for one in reported if one.track in names))


def _board(suite: str, version: int, found: Sequence[RunRecord], columns: Sequence[Column], interval: Kind) -> Board:
    full = sorted((r for r in found if r.comparable and r.spec.limit is None), key=age_key)
    kept: list[RunRecord] = full
    problems: list[str] = []
    for leave_out in (drop_mismatched_episodes, drop_other_pools, drop_other_weights):
        kept, strange = leave_out(kept)
        problems += strange
    newest = _newest(kept)
    lines, complaints = lines_of(newest, columns)
    specs = {r.spec.track.name: r.spec.track for rs in newest.values() for r in rs}
    tracks = tuple(
        sorted(
            (TrackColumn(t.name, t.way, t.shot) for t in specs.values()),
            key=lambda t: (t.name.rpartition("/")[0], t.way, t.shot, t.name),
        )
    )
    ranks = {t.name: _ranks(lines, t.name) for t in tracks}
    intervals = {t.name: _intervals(lines, t.name, interval) for t in tracks}
    rows = sorted((_row(line, ranks, intervals) for line in lines), key=_standing)
    return Board(
        suite,
        version,
        tracks,
        tuple(row for row in rows if row.line.role not in CONTROLS),
        tuple(row for row in rows if row.line.role in CONTROLS),
        tuple(sorted({t.episodes for t in specs.values()})),
        sum(map(len, newest.values())),
        len(found) - len(full),
        (*problems, *complaints),
        interval,
    )


def _newest(records: Sequence[RunRecord]) -> dict[str, list[RunRecord]]:
    """Group records, sorted from old to new, by row label; keep the last of each track and seed."""
    backbones: dict[str, set[str]] = defaultdict(set)
    for record in records:
        backbones[record.spec.track.name].add(record.spec.backbone.model_dump_json(exclude={"origin"}))
    # a row may have different backbones on different tracks, but only one per track
    apart = any(len(names) > 1 for names in backbones.values())
    chosen = configurations((r.spec for r in records), with_backbone=apart)
    named = labels(chosen)
    newest: dict[str, dict[tuple[str, int], RunRecord]] = defaultdict(dict)
    for record, one in zip(records, chosen, strict=True):
        newest[named[one]][record.spec.track.name, record.spec.seed] = record
    return {label: [cells[key] for key in sorted(cells)] for label, cells in sorted(newest.items())}


def _ranks(lines: Sequence[Line], track: str) -> dict[str, int]:
    ranked = {line.label: line for line in lines if line.role not in CONTROLS and line.scores.get(track)}

    def apart(first: str, second: str) -> bool:
        # one episode has no variance: its interval is a point, so every difference would be significant
        some = len(ranked[first].scores[track]) > 1
        return some and verdict_intervals((ranked[first], ranked[second]), track, [(0, 1)])[0].excludes_zero

    return competition_ranks({label: line.scores[track] for label, line in ranked.items()}, apart)


def _intervals(lines: Sequence[Line], track: str, kind: Kind) -> dict[str, Interval]:
    """Map the label of each line that has the track to its interval over episodes."""
    scores = {line.label: line.averages[track] for line in lines if track in line.averages}
    if kind == "t" or not scores:
        return {label: student_t(values) for label, values in scores.items()}
    values = np.array([*scores.values()]).T  # [e, rows]
    return dict(zip(scores, bca_intervals(values, bootstrapped(values), 0.95, "episodes"), strict=True))


def _row(line: Line, ranks: Mapping[str, Mapping[str, int]], intervals: Mapping[str, Mapping[str, Interval]]) -> Row:
    label = line.label
    cells = {
        name: _cell(line, name, found, ranks[name].get(label), intervals[name].get(label))
        for name, found in line.by_track.items()
    }
    places = [cell.rank for name in ranks if (cell := cells.get(name)) and cell.rank]
    return Row(line, cells, mean(places) if places and len(places) == len(ranks) else None)


def _cell(line: Line, track: str, records: Sequence[RunRecord], rank: int | None, interval: Interval | None) -> Cell:
    failed = [r for r in records if r.status != "ok"]
    if interval is None:
        return Cell(failed[0].status, None, None, 0, tuple(dict.fromkeys(r.reason for r in failed)))
    runs = [*line.runs[track].values()]
    notes = [f"Seed {r.spec.seed} is {r.status} and left out: {r.reason}" for r in failed]
    if len(runs) > 1:
        notes.insert(0, f"Mean over {len(runs)} seeds; the interval is that of episodes averaged over seeds.")
    return Cell("ok", interval, rank, len(runs), tuple(notes), crossed(np.array(runs)) if len(runs) > 1 else None)


def _standing(row: Row) -> tuple[float, int, float, str]:
    """Return the sort key of a row: average rank, then number of results, then mean accuracy."""
    means = [cell.interval.mean for cell in row.cells.values() if cell.interval]
    unranked = float("inf") if row.average_rank is None else row.average_rank
    # sorted before summing: the last digit of a sum depends on the order
    return unranked, -len(means), -mean(sorted(means)) if means else 0.0, row.label
