"""The leaderboard model from which all output formats are rendered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Literal

import numpy as np

from freeshot.contracts.cards import Describe, undescribed
from freeshot.contracts.leaderboard import Column, Published
from freeshot.contracts.tracks import Suite
from freeshot.leaderboard.entry import Cell, Entry, make_entries
from freeshot.leaderboard.labels import configuration, labels
from freeshot.leaderboard.pairwise import competition_ranks
from freeshot.records.comparability import drop_mismatched_episodes, drop_other_pools, drop_other_weights
from freeshot.records.load import age_key
from freeshot.records.models import RunRecord
from freeshot.stats.bootstrap import bca_intervals, bootstrapped
from freeshot.stats.crossed_effects import crossed
from freeshot.stats.intervals import Interval, student_t

Kind = Literal["t", "bca"]
"""Student's t, or the bias-corrected and accelerated bootstrap."""


@dataclass(frozen=True)
class Extensions:
    """What plugins add to leaderboards, which can also be made from records alone."""

    columns: tuple[Column, ...] = ()
    published: tuple[Published, ...] = ()
    suites: Mapping[str, Suite] = field(default_factory=dict)
    describe: Describe = undescribed
    """Kind and name of a component → its card, for pages that explain their rows."""


NO_EXTENSIONS = Extensions()


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
    rows: tuple[Entry, ...]
    controls: tuple[Entry, ...]
    episodes: tuple[int, ...]
    records: int
    limited: int
    """Number of records left out because they cover only part of the episodes or are not comparable."""
    problems: tuple[str, ...]
    interval: Kind
    """Kind of the intervals in the cells."""
    columns: tuple[Column, ...]
    published: tuple[Published, ...]
    """Numbers that papers report on its tracks; never ranked or compared."""
    reference: str
    """Method whose row defines the difficulty of episodes; '' if there is none."""
    pair: tuple[str, str] | None
    """Methods that are compared by default."""
    describe: Describe = field(default=undescribed, compare=False)
    """Kind and name of a component → its card; None if the plugin that provides it is not installed."""

    @property
    def all_rows(self) -> tuple[Entry, ...]:
        """The ranked rows, then the controls."""
        return (*self.rows, *self.controls)

    @property
    def sections(self) -> dict[str, tuple[TrackColumn, ...]]:
        """Tracks by table; in-domain is first, because it is the easier setting."""
        names = sorted({t.section for t in self.tracks}, key=lambda name: (name != "in-domain", name))
        return {name: tuple(t for t in self.tracks if t.section == name) for name in names}

    def with_short_labels(self) -> Board:
        """Return the board with short labels in place of the full ones."""
        rows, controls = (
            tuple(replace(row, label=row.short_label) for row in rows) for rows in (self.rows, self.controls)
        )
        return replace(self, rows=rows, controls=controls)


def boards(
    records: Iterable[RunRecord], extensions: Extensions = NO_EXTENSIONS, interval: Kind = "t"
) -> tuple[Board, ...]:
    """Group records into boards by suite and version of the tracks, the newest version first."""
    groups: dict[tuple[str, int], list[RunRecord]] = defaultdict(list)
    for record in records:
        groups[record.spec.suite, -record.spec.track.version].append(record)
    return tuple(_board(groups[key], extensions, interval) for key in sorted(groups))


def _board(records: Sequence[RunRecord], extensions: Extensions, interval: Kind) -> Board:
    full = sorted((r for r in records if r.comparable and r.spec.limit is None), key=age_key)
    kept: list[RunRecord] = full
    problems: list[str] = []
    for drop in (drop_mismatched_episodes, drop_other_pools, drop_other_weights):
        kept, messages = drop(kept)
        problems += messages
    newest = _newest(kept)
    entries, messages = make_entries(newest, extensions.columns)
    specs = {r.spec.track.name: r.spec.track for rs in newest.values() for r in rs}
    tracks = tuple(
        sorted(
            (TrackColumn(t.name, t.way, t.shot) for t in specs.values()),
            key=lambda t: (t.name.rpartition("/")[0], t.way, t.shot, t.name),
        )
    )
    rows = sorted(_with_results(entries, [t.name for t in tracks], interval), key=_sort_key)
    name = records[0].spec.suite
    suite = extensions.suites.get(name)  # None if its plugin is not installed
    return Board(
        name,
        records[0].spec.track.version,
        tracks,
        tuple(row for row in rows if not row.is_control),
        tuple(row for row in rows if row.is_control),
        tuple(sorted({t.episodes for t in specs.values()})),
        sum(map(len, newest.values())),
        len(records) - len(full),
        (*problems, *messages),
        interval,
        extensions.columns,
        tuple(number for number in extensions.published if number.track in specs),
        suite.reference if suite else "",
        suite.pair if suite else None,
        extensions.describe,
    )


def _newest(records: Sequence[RunRecord]) -> dict[str, list[RunRecord]]:
    """Group records, sorted from old to new, by row label; keep the last of each track and seed."""
    backbones: dict[str, set[str]] = defaultdict(set)
    for record in records:
        backbones[record.spec.track.name].add(record.spec.backbone.model_dump_json(exclude={"origin"}))
    # a row may have different backbones on different tracks, but only one per track
    several = any(len(names) > 1 for names in backbones.values())
    chosen = [configuration(record.spec, with_backbone=several) for record in records]
    label_of = labels(chosen)
    newest: dict[str, dict[tuple[str, int], RunRecord]] = defaultdict(dict)
    for record, own in zip(records, chosen, strict=True):
        newest[label_of[own]][record.spec.track.name, record.spec.seed] = record
    return {label: [cells[key] for key in sorted(cells)] for label, cells in sorted(newest.items())}


def _with_results(entries: Sequence[Entry], tracks: Sequence[str], kind: Kind) -> list[Entry]:
    """Add cells and average ranks, which depend on all entries."""
    cells: dict[str, dict[str, Cell]] = {entry.label: {} for entry in entries}
    for track in tracks:
        finished = [entry for entry in entries if track in entry.averages]
        ranks = competition_ranks([entry for entry in finished if not entry.is_control], track)
        intervals = _intervals(finished, track, kind)
        for entry in entries:
            if track in entry.by_track:
                cells[entry.label][track] = _cell(entry, track, ranks.get(entry.label), intervals.get(entry.label))
    completed = []
    for entry in entries:
        own = [cell.rank for cell in cells[entry.label].values() if cell.rank]
        average = fmean(own) if len(own) == len(tracks) else None
        completed.append(replace(entry, cells=cells[entry.label], average_rank=average))
    return completed


def _intervals(finished: Sequence[Entry], track: str, kind: Kind) -> dict[str, Interval]:
    accuracies = {entry.label: entry.averages[track] for entry in finished}
    if kind == "t" or not accuracies:
        return {label: student_t(values) for label, values in accuracies.items()}
    values = np.array([*accuracies.values()]).T  # [e, rows]
    return dict(zip(accuracies, bca_intervals(values, bootstrapped(values), 0.95, "episodes"), strict=True))


def _cell(entry: Entry, track: str, rank: int | None, interval: Interval | None) -> Cell:
    failed = [r for r in entry.by_track[track] if r.status != "ok"]
    if interval is None:
        return Cell(failed[0].status, None, None, 0, tuple(dict.fromkeys(r.reason for r in failed)))
    runs = [*entry.runs[track].values()]
    notes = [f"Seed {r.spec.seed} is {r.status} and left out: {r.reason}" for r in failed]
    if len(runs) > 1:
        notes.insert(0, f"Mean over {len(runs)} seeds; the interval is that of episodes averaged over seeds.")
    return Cell("ok", interval, rank, len(runs), tuple(notes), crossed(np.array(runs)) if len(runs) > 1 else None)


def _sort_key(row: Entry) -> tuple[float, int, float, str]:
    """Sort by average rank, then number of results, then mean accuracy."""
    means = [cell.interval.mean for cell in row.cells.values() if cell.interval]
    rank = float("inf") if row.average_rank is None else row.average_rank
    return rank, -len(means), -fmean(means) if means else 0.0, row.label
