from __future__ import annotations

import pytest

from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins


def test_the_papers_tables_are_offered_with_their_source() -> None:
    actual = {(result.method, result.track): result for result in Catalogue(load_plugins()).published()}
    assert len(actual) == 2 * 14 * 8
    result = actual["LoRA Recycle", "in-domain/cub/5w1s"]
    assert (result.mean, result.half_width, result.source) == (0.9112, None, "Hu et al., CVPR 2025, Table 2")
    assert actual["NN", "cross-domain/eurosat/5w5s"].mean == 0.8005


def test_the_papers_headline_follows_from_its_table() -> None:
    """+6.27 points in 5-way 1-shot: the best variant over the better of the best tuned and the best tuning-free row."""
    actual: dict[str, dict[str, float]] = {}
    for result in Catalogue(load_plugins()).published():
        if result.track.startswith("in-domain/") and result.track.endswith("/5w1s"):
            actual.setdefault(result.track, {})[result.method] = 100 * result.mean
    free = ("NN", "LoRAs Avg + NN", "CAML")
    gains = []
    for means in actual.values():
        best = max(mean for method, mean in means.items() if method.startswith("LoRA Recycle"))
        tuned = max(mean for method, mean in means.items() if method not in free and "Recycle" not in method)
        gains.append(max(best - tuned, best - max(means[method] for method in free)))
    assert sum(gains) / len(gains) == pytest.approx(6.27, abs=0.01)
