"""The record fields computed from the outcomes of a cell's episodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from freeshot.basics.seeds import derive, stream
from freeshot.evaluation.jackknife import measure_sampling_error, spread_intervals
from freeshot.evaluation.metrics import quality
from freeshot.records.models import IntervalRecord
from freeshot.stats.intervals import student_t

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from freeshot.contracts.dataset import Images
    from freeshot.contracts.tensors import Episode
    from freeshot.contracts.tracks import Track
    from freeshot.evaluation.metrics import QueryOutcomes
    from freeshot.evaluation.scoring import Embedded, Head
    from freeshot.stats.intervals import Interval


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """The result of one evaluation of test episodes."""

    judged: QueryOutcomes
    embedded: Embedded | None = None
    """The features of a learner that embeds."""
    head: Head | None = None
    """The head that classifies them; None for the nearest class mean."""
    jackknife: bool = True
    """Whether the head is fast enough for intervals that cover other images."""
    recalled_bytes: int = 0
    """Peak memory of the computation of features loaded from the cache."""
    embedding_flops: int = 0
    """Operations of the features; each image counts once, however many episodes use it."""


def measures(look: EvaluationResult, track: Track, images: Images, episodes: Sequence[Episode]) -> dict[str, Any]:
    """Return the record fields that depend on the outcomes of the episodes."""
    accuracies = look.judged.accuracies
    interval = student_t(accuracies)
    whole = len(episodes) == track.episodes
    return {
        "accuracies": accuracies,
        "interval": _record(interval),
        "spreads": _spreads(look, interval, track, images) if whole and len(episodes) > 1 else (),
        "quality": quality(look.judged, episodes, images.classes),
        "log_odds": look.judged.hardness,
    }


def _spreads(look: EvaluationResult, interval: Interval, track: Track, images: Images) -> tuple[IntervalRecord, ...]:
    """Compute wider intervals if features are available and the head is fast; repeated tuning would take hours."""
    if look.embedded is None or not look.jackknife:
        return ()
    rows = _drawing_order(look.embedded.images)  # [u]
    shown = np.asarray(look.embedded.images)[rows.numpy()]
    labels = np.asarray(images.labels, dtype=np.int64)[shown]
    seed = derive(track.version, "spread", track.name)
    sizes = (track.way, track.shot, track.query)
    features, keys = look.embedded.features[rows], look.embedded.keys[rows]
    spread = measure_sampling_error(features, labels, *sizes, seed, head=look.head, keys=keys)
    if spread is None:
        return ()
    return tuple(map(_record, spread_intervals(interval, look.judged.accuracies, spread)))


def _drawing_order(images: Sequence[int]) -> Tensor:
    """Return the rows of images [u] in the order from which the committed intervals drew their tasks."""
    by_index = torch.tensor(images).argsort()
    return by_index[torch.randperm(len(images), generator=stream(0, "embedding order", len(images)))]


def _record(interval: Interval) -> IntervalRecord:
    return IntervalRecord(
        mean=interval.mean, low=interval.low, high=interval.high, level=interval.level, covers=interval.covers
    )
