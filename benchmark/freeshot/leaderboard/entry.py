"""A row of a leaderboard: the records of one configuration, their paired accuracies, and a result for each track."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from freeshot.contracts.leaderboard import Column
from freeshot.leaderboard.labels import configuration, short_labels
from freeshot.records.load import age_key
from freeshot.records.models import RunRecord, Tags
from freeshot.stats.intervals import Interval

Array = NDArray[np.float64]

CONTROLS = ("floor", "ceiling")
"""Roles that are shown separately and never ranked."""
CLASSES = ("data-free, tuning-free", "tuned at test", "real data", "controls")
"""Classes of rows that solve different problems; the first is the question of the benchmark."""


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
class Entry:
    """A row of a leaderboard."""

    label: str
    """Unique on the board."""
    short_label: str
    """Names only the settings that are unusual for the method; unique as well."""
    method: str
    tags: Tags
    made_with: str
    """Components and options: 'inversion=fourier, learner=reptile'."""
    extras: tuple[str | float | None, ...]
    """Values of the extra columns."""
    records: tuple[RunRecord, ...]
    runs: Mapping[str, Mapping[int, Array]] = field(compare=False)
    """Track → training seed → accuracy per episode, of finished records."""
    averages: Mapping[str, Array] = field(compare=False)
    """Track → accuracy per episode, averaged over seeds."""
    cells: Mapping[str, Cell] = field(default_factory=dict)
    """Track → result; tracks that were not run are missing."""
    average_rank: float | None = None
    """Over all tracks of the board; None for controls and for rows that lack a track."""

    @property
    def is_control(self) -> bool:
        """Whether the row is a floor or ceiling."""
        return self.tags.role in CONTROLS

    @property
    def row_class(self) -> str:
        """The problem that the row solves, one of CLASSES: what it may use counts more than how."""
        if self.is_control:
            return CLASSES[3]
        if self.tags.data_free == "real data":
            return CLASSES[2]
        return CLASSES[0] if self.tags.tuning_free else CLASSES[1]

    @cached_property
    def by_track(self) -> Mapping[str, Sequence[RunRecord]]:
        """The records of each track, one per seed."""
        by_track: dict[str, list[RunRecord]] = defaultdict(list)
        for record in self.records:
            by_track[record.spec.track.name].append(record)
        return dict(by_track)

    def mean(self, tracks: Sequence[str]) -> float | None:
        """Average accuracy over tracks; None if one is missing: means over different tracks are not comparable."""
        cells = [self.cells.get(track) for track in tracks]
        means = [cell.interval.mean for cell in cells if cell and cell.interval]
        return fmean(means) if means and len(means) == len(tracks) else None

    def finished(self, track: str) -> list[RunRecord]:
        """List the finished records of a track, one per seed."""
        return [r for r in self.by_track.get(track, ()) if r.status == "ok"]


def make_entries(
    labelled: Mapping[str, Sequence[RunRecord]], columns: Sequence[Column]
) -> tuple[list[Entry], tuple[str, ...]]:
    """Build an entry, without cells, from the records of each label; also return a message for each failed column."""
    problems: dict[str, None] = {}
    short = short_labels({label: records[0].spec for label, records in labelled.items()})
    entries = []
    for label, records in labelled.items():
        newest = max((r for r in records if r.status == "ok"), key=age_key, default=max(records, key=age_key))
        runs: dict[str, dict[int, Array]] = defaultdict(dict)
        for record in records:
            if record.status == "ok":
                accuracies = np.fromiter(record.accuracies, np.float64, len(record.accuracies))
                runs[record.spec.track.name][record.spec.seed] = accuracies
        entry = Entry(
            label,
            short[label],
            newest.spec.method.name,
            newest.tags,
            configuration(newest.spec).summary(),
            tuple(_first_value(column, records, problems) for column in columns),
            tuple(records),
            dict(runs),
            {track: np.mean([*by_seed.values()], axis=0) for track, by_seed in runs.items()},
        )
        entries.append(entry)
    return entries, tuple(problems)


def _first_value(column: Column, records: Sequence[RunRecord], problems: dict[str, None]) -> str | float | None:
    for record in records:
        try:
            value = column.from_record(record)
        except Exception as error:  # noqa: BLE001  a failing column plugin must not prevent the board
            problems[f"The column '{column.title}' could not be read: {type(error).__name__}: {error}"] = None
            return None
        if value is not None:
            return value
    return None
