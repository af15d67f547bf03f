"""The kinds of components, which are classes, and of values, such as tracks, that plugins provide."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

from freeshot.contracts.backbone import BackboneProvider
from freeshot.contracts.dataset import FewShotDataset
from freeshot.contracts.inversion import InversionMethod
from freeshot.contracts.launcher import Launcher
from freeshot.contracts.leaderboard import Column, Published
from freeshot.contracts.meta_learner import MetaLearner
from freeshot.contracts.method import Method
from freeshot.contracts.pool import PoolPlan
from freeshot.contracts.strategy import EfficiencyStrategy
from freeshot.contracts.tracks import Suite, Track


@dataclass(frozen=True)
class Kind:
    """One kind of component or value, and the hook that returns a plugin's own."""

    name: str
    plural: str
    hook: str
    type: type[Any]
    """The interface that component classes implement, or the class of the values."""


KINDS = {
    kind.name: kind
    for kind in (
        Kind("method", "methods", "freeshot_methods", Method),
        Kind("inversion", "inversions", "freeshot_inversion_methods", InversionMethod),
        Kind("strategy", "strategies", "freeshot_efficiency_strategies", EfficiencyStrategy),
        Kind("meta-learner", "meta-learners", "freeshot_meta_learners", MetaLearner),
        Kind("backbone", "backbones", "freeshot_backbones", BackboneProvider),
        Kind("dataset", "datasets", "freeshot_datasets", FewShotDataset),
        Kind("launcher", "launchers", "freeshot_launchers", Launcher),
    )
}
"""Kinds of components by name, in the order of `freeshot list`."""
VALUES = {
    kind.name: kind
    for kind in (
        Kind("track", "tracks", "freeshot_tracks", Track),
        Kind("suite", "suites", "freeshot_suites", Suite),
        Kind("pool", "pools", "freeshot_pools", Path),
        Kind("pool plan", "pool plans", "freeshot_pool_plans", PoolPlan),
        Kind("penalty", "penalties", "freeshot_lora_penalties", FunctionType),
        Kind("column", "columns", "freeshot_leaderboard_columns", Column),
        Kind("published result", "published results", "freeshot_published_results", Published),
    )
}
