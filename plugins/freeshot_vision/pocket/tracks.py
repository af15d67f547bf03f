"""The pocket suite's tracks: two in-domain and five cross-domain sets, 1- and 5-shot, and validation tracks."""

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


TRACKS = (
    *(_track("in-domain", name, shot) for name in IN_DOMAIN for shot in SHOTS),
    *(_track("cross-domain", name, shot) for name in CROSS_DOMAIN for shot in SHOTS),
    *(_track("validation", name, shot, split="validation", episodes=300) for name in IN_DOMAIN for shot in SHOTS),
    *(_poisoned(kind, name) for kind in ("noise", "mislabelled") for name in IN_DOMAIN),
)
