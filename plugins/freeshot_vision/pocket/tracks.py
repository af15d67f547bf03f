"""The pocket suite's tracks: in-domain and cross-domain sets, 1- and 5-shot, validation, variants of the pool."""

from __future__ import annotations

import json
from dataclasses import replace

from freeshot import Track
from freeshot_vision.pocket import DATA

IN_DOMAIN = ("sketch", "icons")
CROSS_DOMAIN = ("fashion", "clipart", "glyphs", "digits", "photos")
SHOTS = (1, 5)
FROZEN: dict[str, str] = json.loads((DATA / "episodes.lock").read_text(encoding="utf-8"))
"""Hashes of episode lists, by track."""


def _track(group: str, dataset: str, shot: int, *, split: str = "novel", episodes: int = 600) -> Track:
    name = f"{group}/{dataset}/5w{shot}s"
    return Track(
        name=name,
        dataset=dataset,
        pool="pocket",
        sources=IN_DOMAIN,
        backbone="pocket-vit",
        split=split,
        shot=shot,
        episodes=episodes,
        episodes_sha256=FROZEN.get(name, ""),
        optional=dataset == "photos",
    )


def _poisoned(kind: str, dataset: str) -> Track:
    """Return a validation track with the same episodes and a poisoned pool."""
    track = _track("validation", dataset, 1, split="validation", episodes=300)
    return replace(track, name=f"poisoned/{kind}/{dataset}/5w1s", pool=f"pocket+{kind}30")


POOL_VARIANTS = (
    *("first2", "first5", "first10", "first20"), *("rank1", "rank2"), *("best10", "worst10"), *("apart10", "alike10"),
    *("mislabelled10", "mislabelled30", "mislabelled50"), *("noise10", "noise30", "noise50"),
)  # fmt: skip
"""Fewer LoRAs, lower ranks, more or less accurate LoRAs, fewer or more shared classes, and corrupted LoRAs."""


def _varied(variant: str, dataset: str) -> Track:
    """Return an in-domain track with the same episodes and a variant of the pool."""
    return replace(_track("in-domain", dataset, 1), name=f"pools/{variant}/{dataset}/5w1s", pool=f"pocket+{variant}")


TRACKS = (
    *(_track("in-domain", name, shot) for name in IN_DOMAIN for shot in SHOTS),
    *(_track("cross-domain", name, shot) for name in CROSS_DOMAIN for shot in SHOTS),
    *(_track("validation", name, shot, split="validation", episodes=300) for name in IN_DOMAIN for shot in SHOTS),
    *(_poisoned(kind, name) for kind in ("noise", "mislabelled") for name in IN_DOMAIN),
    *(_varied(variant, name) for variant in POOL_VARIANTS for name in IN_DOMAIN),
)
