"""The result of `freeshot evaluate`: accuracies per track, and the position among the rows of a suite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from freeshot.leaderboard.unsubmitted import Standing
from freeshot.stats.intervals import Interval, paired_difference


@dataclass(frozen=True)
class TrackScore:
    """The accuracy on one track, or on the person's own pictures."""

    track: str
    """Name of the track, or folder of the pictures."""
    way: int
    shot: int
    query: int
    accuracies: tuple[float, ...]
    """One per episode."""
    interval: Interval
    """Over episodes."""
    wider: tuple[Interval, ...] = ()
    """Intervals that also cover other images; on own pictures only."""
    baseline: tuple[float, ...] = ()
    """Accuracies of the backbone without the adapter on the same episodes; on own pictures only."""

    @property
    def gain(self) -> Interval | None:
        """Interval of the difference to the backbone without the adapter, over the same episodes."""
        return paired_difference(self.accuracies, self.baseline) if self.baseline else None

    def to_json(self) -> dict[str, Any]:
        """Return all fields as JSON values."""
        plain: dict[str, Any] = {"track": self.track, "way": self.way, "shot": self.shot, "query": self.query}
        plain |= {"episodes": len(self.accuracies), **vars(self.interval)}
        if self.wider:
            plain["wider_intervals"] = [vars(interval) for interval in self.wider]
        if self.gain is not None:
            plain |= {"backbone_alone": fmean(self.baseline), "gain": vars(self.gain)}
        return plain | {"accuracies": list(self.accuracies)}


@dataclass(frozen=True)
class EvaluationReport:
    """An evaluation; it is not a record."""

    name: str
    kind: str
    """'adapter', 'backbone' or 'embedding'."""
    backbone: str
    """Name of the backbone; '' for a user's function."""
    backbone_sha256: str
    precision: str
    scores: tuple[TrackScore, ...]
    standing: Standing | None
    """None on own pictures."""
    facts: Mapping[str, Any]
    """Those of an adapter made by `freeshot recycle`."""

    @property
    def mean(self) -> float:
        """Mean accuracy over the tracks."""
        return fmean(score.interval.mean for score in self.scores)

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        plain: dict[str, Any] = {"name": self.name, "kind": self.kind, "submitted": False, "backbone": self.backbone}
        plain |= {"backbone_sha256": self.backbone_sha256, "precision": self.precision, "mean": self.mean}
        plain["tracks"] = [score.to_json() for score in self.scores]
        if self.standing is not None:
            plain["standing"] = self.standing.to_json()
        return plain | ({"facts": dict(self.facts)} if self.facts else {})
