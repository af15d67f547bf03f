"""A row before ranking: its records, their paired accuracies and its tags."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from freeshot.contracts.leaderboard import Column
from freeshot.leaderboard.labels import configuration
from freeshot.records.load import age_key
from freeshot.records.models import RunRecord

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """The records of a configuration and the values read from them."""

    label: str
    method: str
    role: str
    data_free: Literal["strict", "public prior", "real data"]
    tuning_free: bool
    black_box: bool
    transductive: bool
    made_with: str
    """Parts and options: 'inversion=fourier, learner=reptile'."""
    extras: tuple[str | float | None, ...]
    """Values of the extra columns."""
    records: tuple[RunRecord, ...]
    scores: Mapping[str, tuple[float, ...]]
    """Track → accuracy per episode, averaged over seeds; only tracks with a finished record."""
    runs: Mapping[str, Mapping[int, Array]] = field(compare=False)
    """Track → training seed → accuracy per episode; excluded from comparison, since `records` already differ."""
    averages: Mapping[str, Array] = field(compare=False)
    """The scores as arrays, for calculations."""

    @cached_property
    def by_track(self) -> Mapping[str, Sequence[RunRecord]]:
        """The records of each track, one per seed."""
        found: dict[str, list[RunRecord]] = defaultdict(list)
        for record in self.records:
            found[record.spec.track.name].append(record)
        return dict(found)

    def finished(self, track: str) -> list[RunRecord]:
        """List the finished records of a track, one per seed."""
        return [r for r in self.by_track.get(track, ()) if r.status == "ok"]


def lines_of(
    labelled: Mapping[str, Sequence[RunRecord]], columns: Sequence[Column]
) -> tuple[list[Line], tuple[str, ...]]:
    """Build a line from the records of each label; also return a message for each extra column that failed."""
    problems: dict[str, None] = {}
    lines = [_line(label, records, columns, problems) for label, records in labelled.items()]
    return lines, tuple(problems)


def _line(label: str, records: Sequence[RunRecord], columns: Sequence[Column], problems: dict[str, None]) -> Line:
    newest = max((r for r in records if r.status == "ok"), key=age_key, default=max(records, key=age_key))
    runs = _runs(records)
    averages = {track: np.mean([*by_seed.values()], axis=0) for track, by_seed in runs.items()}
    return Line(
        label,
        newest.spec.method.name,
        newest.tags.role,
        newest.tags.data_free,
        newest.tags.tuning_free,
        newest.tags.black_box,
        newest.tags.transductive,
        configuration(newest.spec).summary(),
        tuple(_first_value(column, records, problems) for column in columns),
        tuple(records),
        {track: tuple(values.tolist()) for track, values in averages.items()},
        runs,
        averages,
    )


def _runs(records: Sequence[RunRecord]) -> dict[str, dict[int, Array]]:
    by_track: dict[str, dict[int, Array]] = defaultdict(dict)
    for record in records:
        if record.status == "ok":
            by_track[record.spec.track.name][record.spec.seed] = np.fromiter(
                record.accuracies, np.float64, len(record.accuracies)
            )
    return dict(by_track)


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
