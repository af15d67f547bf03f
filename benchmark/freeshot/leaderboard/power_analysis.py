"""How many episodes and seeds a claim takes, from the variances that earlier runs left, and what they would cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from freeshot.basics.errors import OptionError
from freeshot.leaderboard.board import Board, Row
from freeshot.leaderboard.costs import costs

LEVEL = 0.05
"""Two-sided error of the first kind that is planned for."""


@dataclass(frozen=True)
class TrackPlan:
    """What it takes on one track."""

    track: str
    spread: float
    """Standard deviation of paired differences over episodes, the median over pairs of rows; in 0…1."""
    episodes: int
    worst_episodes: int
    """For the pair of rows that differ most unevenly."""
    pairs: int


@dataclass(frozen=True)
class SeedPlan:
    """What it takes for a claim about a method instead of one run of it."""

    label: str
    spread: float
    """Standard deviation of a row's mean between training seeds, pooled over tracks."""
    seeds: int
    known_from: int
    """Seeds that the spread was estimated from."""
    seconds: float
    """To prepare and evaluate one track with that many seeds."""


def episodes_needed(spread: float, detect: float, power: float) -> int:
    """Return how many paired episodes show a mean difference `detect` with this power (normal approximation)."""
    return max(2, math.ceil((_reach(power) * spread / detect) ** 2))


def seeds_needed(spread: float, detect: float, power: float) -> int:
    """Return how many seeds per row two rows need, whose means vary by `spread` from seed to seed."""
    return max(2, math.ceil(2 * (_reach(power) * spread / detect) ** 2))


def plan_tracks(board: Board, detect: float, power: float) -> tuple[TrackPlan, ...]:
    """Plan episodes from all pairs of rows that share a track; controls differ more than methods and do not count."""
    _require_sense(detect, power)
    plans = []
    for track in (t.name for t in board.tracks):
        spreads = [
            float(np.std(np.subtract(a.line.scores[track], b.line.scores[track]), ddof=1))
            for place, a in enumerate(board.rows)
            for b in board.rows[place + 1 :]
            if track in a.line.scores and len(a.line.scores[track]) == len(b.line.scores.get(track, ())) > 1
        ]
        if spreads:
            middle, worst = float(np.median(spreads)), max(spreads)
            plans.append(
                TrackPlan(
                    track,
                    middle,
                    episodes_needed(middle, detect, power),
                    episodes_needed(worst, detect, power),
                    len(spreads),
                )
            )
    return tuple(plans)


def plan_seeds(board: Board, detect: float, power: float) -> tuple[SeedPlan, ...]:
    """Plan seeds for every row that has several; of the others nothing is known."""
    _require_sense(detect, power)
    seconds: dict[str, float] = {}
    for cost in costs(board):
        seconds.setdefault(cost.label, cost.prepare_seconds + cost.evaluate_seconds)
    plans = []
    for row in board.rows:
        if not (means := _means(row)):
            continue
        spread = math.sqrt(float(np.mean([np.var(values, ddof=1) for values in means.values()])))
        seeds = seeds_needed(spread, detect, power)
        known = min(map(len, means.values()))
        plans.append(SeedPlan(row.label, spread, seeds, known, seeds * seconds.get(row.label, 0.0)))
    return tuple(plans)


def _means(row: Row) -> Mapping[str, Sequence[float]]:
    """Return the mean accuracies of each track that was run with several seeds."""
    found: dict[str, list[float]] = {}
    for record in row.line.records:
        if record.interval is not None:
            found.setdefault(record.spec.track.name, []).append(record.interval.mean)
    return {track: means for track, means in found.items() if len(means) > 1}


def _reach(power: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(1 - LEVEL / 2) + ndtri(power))


def _require_sense(detect: float, power: float) -> None:
    if not 0 < detect < 1 or not 0.5 <= power < 1:
        raise OptionError("A plan takes a difference above 0 points and a power from 0.5 up to, not including, 1.")
