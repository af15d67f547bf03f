"""An evaluation that is not a record, ranked beside the rows of a leaderboard and paired with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from typing import Any

import numpy as np

from freeshot.leaderboard.board import NO_EXTENSIONS, Extensions, boards
from freeshot.leaderboard.entry import Array, Entry
from freeshot.leaderboard.pairwise import competition_ranks, verdict_intervals
from freeshot.records.models import ComponentSpec, RunRecord, Tags
from freeshot.stats.intervals import Interval
from freeshot.stats.paired_tests import VERDICTS, verdict


@dataclass(frozen=True)
class Conditions:
    """What a record must share with an evaluation to be paired with it."""

    suite: str
    backbone: Mapping[str, ComponentSpec]
    """Track → backbone."""
    backbone_sha256: str
    """Hash of the weights; '' to accept any under that name."""
    precision: str
    versions: Mapping[str, int]
    """Track → version."""
    episodes: Mapping[str, tuple[str, int]]
    """Track → hash of the episode list with its images, and its length."""

    def obstacle(self, record: RunRecord) -> str:
        """Return why a record of a track cannot be paired, or ''."""
        track = record.spec.track
        if record.spec.backbone.identity() != self.backbone[track.name].identity() or (
            self.backbone_sha256 and record.hashes.get("backbone", self.backbone_sha256) != self.backbone_sha256
        ):
            return "on another backbone"
        if record.spec.precision != self.precision:
            return "in another precision"
        listed = track.episodes_sha256 or record.hashes.get("episodes", "")
        if track.version != self.versions[track.name] or self.episodes[track.name] != (listed, len(record.accuracies)):
            return "on other episodes"
        return "" if record.comparable and record.spec.limit is None else "not comparable"


@dataclass(frozen=True)
class StandingRow:
    """A row beside the evaluation."""

    label: str
    data: str
    """How data-free it is; '' for the evaluation."""
    role: str
    mean: float | None
    """Over the tracks of the evaluation; None if one is missing."""
    rank: float | None
    """Average over the tracks, the evaluation included; None for controls and rows that lack a track."""
    position: int | None
    """In the order of average ranks, as in 1, 1, 3."""
    accuracies: Mapping[str, float]
    """Track → mean accuracy."""
    differences: Mapping[str, Interval]
    """Track → interval of evaluation − row over the same episodes; empty for the evaluation itself."""

    @property
    def difference(self) -> float | None:
        """Mean of the differences over tracks."""
        return fmean(d.mean for d in self.differences.values()) if self.differences else None

    @property
    def verdicts(self) -> Mapping[str, int]:
        """Number of tracks on which the evaluation is better, worse, equal or undecided."""
        counts = Counter(verdict(interval) for interval in self.differences.values())
        return {name: counts[name] for name in VERDICTS}

    def to_json(self) -> dict[str, Any]:
        """Return all fields as JSON values."""
        plain: dict[str, Any] = {"label": self.label, "data": self.data, "role": self.role, "position": self.position}
        plain |= {"rank": self.rank, "mean": self.mean, "accuracies": dict(self.accuracies)}
        return plain | {"differences": {track: vars(interval) for track, interval in self.differences.items()}}


@dataclass(frozen=True)
class Standing:
    """The position of an evaluation among the rows of a suite, on its own tracks."""

    suite: str
    own: StandingRow
    rows: tuple[StandingRow, ...]
    """The ranked rows, the evaluation among them, best first."""
    controls: tuple[StandingRow, ...]
    ranks: Mapping[str, tuple[int, int]]
    """Track → rank of the evaluation, and number of ranked rows."""
    reference: StandingRow | None
    """The suite's reference row, if it has one."""
    not_paired: Mapping[str, int] = field(default_factory=dict)
    """Reason → number of records of these tracks that were left out."""

    def to_json(self) -> dict[str, Any]:
        """Return all fields as JSON values."""
        ranks = {track: {"rank": rank, "rows": rows} for track, (rank, rows) in self.ranks.items()}
        rows = [row.to_json() for row in (*self.rows, *self.controls)]
        return {"suite": self.suite, "ranks": ranks, "rows": rows, "not_paired": dict(self.not_paired)}

    @cached_property
    def others(self) -> tuple[StandingRow, ...]:
        """All rows but the evaluation."""
        return tuple(row for row in (*self.rows, *self.controls) if row is not self.own)

    def best(self, track: str) -> StandingRow | None:
        """Return the ranked row that is best on a track, the evaluation aside."""
        rows = [row for row in self.rows if row is not self.own and track in row.accuracies]
        return max(rows, key=lambda row: row.accuracies[track], default=None)

    def excerpt(self, best: int) -> tuple[StandingRow, ...]:
        """Return the best rows, those next to the evaluation, itself, and the reference."""
        index = self.rows.index(self.own)
        shown = {id(row) for row in (*self.rows[:best], *self.rows[max(0, index - 1) : index + 2])}
        shown |= {id(self.reference)}
        return tuple(row for row in (*self.rows, *self.controls) if id(row) in shown)


def standing_of(
    name: str,
    accuracies: Mapping[str, Sequence[float]],
    records: Iterable[RunRecord],
    conditions: Conditions,
    extensions: Extensions = NO_EXTENSIONS,
) -> Standing:
    """Rank accuracies per episode (track → [e]) beside the records that can be paired with them."""
    of_tracks = [
        record
        for record in records
        if record.status == "ok" and record.spec.suite == conditions.suite and record.spec.track.name in accuracies
    ]
    obstacles = {record.cell: conditions.obstacle(record) for record in of_tracks}
    made = boards([record for record in of_tracks if not obstacles[record.cell]], extensions)
    ranked, controls = (made[0].rows, made[0].controls) if made else ((), ())
    own = _entry(name, {track: np.asarray(values, dtype=np.float64) for track, values in accuracies.items()})
    ranks = {
        track: competition_ranks([own, *(row for row in ranked if track in row.averages)], track)
        for track in accuracies
    }
    average = {row.label: _average_rank(row.label, ranks) for row in (own, *ranked)}
    known = [rank for rank in average.values() if rank is not None]

    def placed(row: Entry) -> StandingRow:
        rank = average.get(row.label)
        means = {track: float(row.averages[track].mean()) for track in accuracies if track in row.averages}
        return StandingRow(
            row.short_label,
            "" if row is own else row.tags.data_free,
            row.tags.role,
            fmean(means.values()) if len(means) == len(accuracies) else None,
            rank,
            None if rank is None else 1 + sum(other < rank for other in known),
            means,
            {} if row is own else {track: verdict_intervals((own, row), track, [(0, 1)])[0] for track in means},
        )

    mine = placed(own)
    rows = sorted([mine, *map(placed, ranked)], key=_sort_key)
    others = [placed(row) for row in controls]
    suite = extensions.suites.get(conditions.suite)
    labels = [row.short_label for row in (*ranked, *controls) if suite and row.method == suite.reference]
    reference = next((row for row in (*rows, *others) if row.label in labels[:1]), None)
    left_out = Counter(reason for reason in obstacles.values() if reason)
    return Standing(
        conditions.suite,
        mine,
        tuple(rows),
        tuple(others),
        {track: (by_label[own.label], len(by_label)) for track, by_label in ranks.items()},
        reference,
        dict(sorted(left_out.items())),
    )


def _entry(name: str, averages: Mapping[str, Array]) -> Entry:
    """Return the row of the evaluation; its label cannot be that of a record's row, because labels have no such end."""
    label = f"{name} (unsubmitted)"
    tags = Tags(tuning_free=True, data_free="real data", role="unsubmitted")
    return Entry(label, label, "", tags, "", (), (), {track: {0: a} for track, a in averages.items()}, averages)


def _average_rank(label: str, ranks: Mapping[str, Mapping[str, int]]) -> float | None:
    own = [by_label[label] for by_label in ranks.values() if label in by_label]
    return fmean(own) if len(own) == len(ranks) else None


def _sort_key(row: StandingRow) -> tuple[bool, float, float, str]:
    return row.rank is None, row.rank or 0.0, -(row.mean or 0.0), row.label
