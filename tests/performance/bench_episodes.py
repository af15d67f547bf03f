"""Scoring episodes on cached features."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from tests.performance.measure import Table, in_turn

from freeshot.evaluation.episodes import draw_episodes
from freeshot.evaluation.scoring import Embedded, score_episodes


def bench() -> Table:
    """Score the same list at several lengths and feature widths."""
    labels = np.repeat(np.arange(60), 100)
    episodes = draw_episodes(labels, 5, 1, 15, 0, 10_000)
    images = tuple(range(len(labels)))
    rows = []
    for width in (128, 512):
        features = torch.randn(len(labels), width, generator=torch.Generator().manual_seed(0))
        score = partial(score_episodes, Embedded(images, features, torch.arange(len(labels))))
        seconds = in_turn({str(count): partial(score, episodes[:count]) for count in (600, 10_000)}, rounds=3)
        rows += [(f"{int(count):,} episodes, {width} features", f"{s:.2f}") for count, s in seconds.items()]
    return Table("Scoring cached episodes", "5-way 1-shot, 75 queries.", ("what", "seconds"), tuple(rows))
