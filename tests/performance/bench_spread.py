"""Intervals that cover other images and other classes, of one cell, on cached features."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from tests.performance.measure import Table, in_turn

from freeshot.evaluation.jackknife import DRAWS, measure_sampling_error

SETS = {"10 classes × 120 images": (10, 120), "67 classes × 60 images": (67, 60), "80 classes × 100 images": (80, 100)}
"""Sizes of the pocket suite's novel splits: fashion and digits, icons, sketch."""


def bench() -> Table:
    """Measure both spreads of random features as wide as pocket-vit's."""
    candidates = {}
    for name, (classes, images) in SETS.items():
        labels = np.repeat(np.arange(classes), images)
        features = torch.randn(len(labels), 128, generator=torch.Generator().manual_seed(0))
        for shot in (1, 5):
            candidates[f"{name}, {shot}-shot"] = partial(measure_sampling_error, features, labels, 5, shot, 15, 0)
    rows = tuple((name, f"{seconds:.2f}") for name, seconds in in_turn(candidates, rounds=3).items())
    note = f"128 features, {DRAWS:,} tasks drawn, 15 queries a class. To reach: 2 s."
    return Table("Intervals over images and classes", note, ("one cell", "seconds"), rows)
