"""Numbers of episodes and seeds that a claim needs, estimated from variances of earlier runs, and their costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from freeshot.basics.errors import OptionError
from freeshot.leaderboard.board import Board
from freeshot.leaderboard.costs import costs

LEVEL = 0.05
"""Planned two-sided type I error."""


@dataclass(frozen=True)
class TrackPlan:
    """Number of episodes needed on one track."""

    track: str
    deviation: float
    """Standard deviation of paired differences over episodes, the median over pairs of rows; in 0…1."""
    episodes: int
    worst_episodes: int
    """For the pair of rows with the largest standard deviation."""
    pairs: int


@dataclass(frozen=True)
class SeedPlan:
    """Number of seeds needed for a claim about a method instead of a single run."""

    label: str
    deviation: float
    """Standard deviation of the row's mean over training seeds, pooled over tracks."""
    seeds: int
    known_from: int
    """Number of seeds from which the standard deviation was estimated."""
    seconds: float
    """Time to prepare and evaluate one track with that many seeds."""


def episodes_needed(deviation: float, detect: float, power: float) -> int:
    """Return the number of paired episodes to detect a mean difference `detect` at a power (normal approximation)."""
    return max(2, math.ceil((_reach(power) * deviation / detect) ** 2))


def seeds_needed(deviation: float, detect: float, power: float) -> int:
    """Return the number of seeds that each of two rows needs; `deviation` is the standard deviation over seeds."""
    return max(2, math.ceil(2 * (_reach(power) * deviation / detect) ** 2))


def plan_tracks(board: Board, detect: float, power: float) -> tuple[TrackPlan, ...]:
    """Plan episodes from all pairs of rows that share a track, without controls, which differ more than methods do."""
    _require_sense(detect, power)
    plans = []
    for track in (t.name for t in board.tracks):
        deviations = [
            float(np.std(a.averages[track] - b.averages[track], ddof=1))
            for a, b in combinations(board.rows, 2)
            if track in a.averages and len(a.averages[track]) == len(b.averages.get(track, ())) > 1
        ]
        if deviations:
            middle = float(np.median(deviations))
            needed, most = (episodes_needed(deviation, detect, power) for deviation in (middle, max(deviations)))
            plans.append(TrackPlan(track, middle, needed, most, len(deviations)))
    return tuple(plans)


def plan_seeds(board: Board, detect: float, power: float) -> tuple[SeedPlan, ...]:
    """Plan seeds for every row with several seeds; the others give no estimate."""
    _require_sense(detect, power)
    seconds: dict[str, float] = {}
    for cost in costs(board):
        seconds.setdefault(cost.label, cost.seconds)
    plans = []
    for row in board.rows:
        # tracks that were run with several seeds
        means = [[run.mean() for run in runs.values()] for runs in row.runs.values() if len(runs) > 1]
        if not means:
            continue
        deviation = math.sqrt(float(np.mean([np.var(values, ddof=1) for values in means])))
        seeds = seeds_needed(deviation, detect, power)
        fewest = min(map(len, means))
        plans.append(SeedPlan(row.label, deviation, seeds, fewest, seeds * seconds.get(row.label, 0.0)))
    return tuple(plans)


def _reach(power: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(1 - LEVEL / 2) + ndtri(power))


def _require_sense(detect: float, power: float) -> None:
    if not 0 < detect < 1 or not 0.5 <= power < 1:
        raise OptionError(
            "Invalid plan: the difference must be between 0 and 100 points and the power at least 0.5 and below 1, "
            "e.g. 1 point and 0.8."
        )
