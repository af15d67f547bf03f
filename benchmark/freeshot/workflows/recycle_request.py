"""The request of `freeshot recycle`, and what was chosen for the user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from freeshot.pool.locate import POOLS

if TYPE_CHECKING:
    from freeshot.records.models import Precision
    from freeshot.workflows.recycle_cost import RecycleCost

BUDGET = 15 * 60.0
"""Seconds that the default preset may take."""


@dataclass(frozen=True)
class RecycleRequest:
    """The arguments of `freeshot recycle`."""

    pool: str
    out: Path | None = None
    """Folder of the adapter; None writes nothing."""
    method: str | None = None
    """Default: the first of the compared pair of methods of the main suite."""
    options: tuple[str, ...] = ()
    preset: str | None = None
    """'quick', 'good', 'paper', another preset of the method, or a suite whose options are used; None: the most
    thorough preset that fits the budget."""
    budget: float = BUDGET
    """Seconds that the default preset may take on this machine."""
    shot: int = 1
    query: int = 15
    seed: int = 0
    backbone: str | None = None
    images: Path | None = None
    """Labelled pictures, a folder per class, on which the gain is measured; never used for training."""
    cache: Path = field(default_factory=lambda: Path(".freeshot"))
    pools: Path = POOLS
    """Folder of users' own pools."""
    device: str = "cpu"
    precision: Precision = "fp32"
    """Of the frozen backbone's passes."""
    sheets: bool = False
    """Also save the surrogates of each LoRA as a contact sheet."""
    overwrite: bool = False
    """Write into a folder that holds other files, and replace another adapter."""


@dataclass(frozen=True)
class Choices:
    """The settings that were chosen for the user, with their reasons."""

    preset: str
    cost: RecycleCost | None
    """None if it cannot be estimated."""
    compared: Mapping[str, float | None] = field(default_factory=dict)
    """Estimated seconds of each preset, if the preset was chosen among them."""
    repeated: bool = False
    """Whether the preset is the one that an earlier run chose."""
    notes: tuple[str, ...] = ()
    """Sentences about the prior and the held-out classes."""
