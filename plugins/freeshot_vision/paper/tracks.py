"""The paper's tracks: four in-domain sets, four cross-domain sets, and a group of further domains.

How far an episode list can be frozen without its images depends on published counts (`makers.paper_lock`); the rest is
fixed when a track first opens its images, and every record holds the hash of those.
"""

from __future__ import annotations

import json
from pathlib import Path

from freeshot import Track
from freeshot_vision.paper.pools import BACKBONE, CIFAR, IN_DOMAIN, MIXED, pool_of

CROSS_DOMAIN = ("chestx", "isic", "eurosat", "crop-diseases")
FURTHER = ("dtd", "omniglot", "quick-draw", "aircraft", "traffic-signs")
SHOTS = (1, 5)
LOCK = Path(__file__).parent / "episodes.lock"
FROZEN: dict[str, dict[str, str]] = json.loads(LOCK.read_text(encoding="utf-8"))
"""Hashes of index lists, by track."""


def _track(group: str, name: str, shot: int, *, pool: str = MIXED) -> Track:
    full = f"{group}/{name}/5w{shot}s"
    return Track(
        name=full,
        dataset=name,
        pool=pool,
        sources=IN_DOMAIN if pool == MIXED else (name,),
        backbone=CIFAR if pool == pool_of("cifar-fs") else BACKBONE,
        shot=shot,
        optional=True,
        indices_sha256=FROZEN.get(full, {}).get("indices_sha256", ""),
    )


TRACKS = (
    *(_track("in-domain", name, shot, pool=pool_of(name)) for name in IN_DOMAIN for shot in SHOTS),
    *(_track("cross-domain", name, shot) for name in CROSS_DOMAIN for shot in SHOTS),
    *(_track("further", name, shot) for name in FURTHER for shot in SHOTS),
)
