"""The paper's tracks: four in-domain sets, four cross-domain sets, and a group of further domains.

Small tracks have names of their own and are never beside the paper's column: CIFAR-FS with 100 images a class, and
subsets and reduced copies of four other sets.

How far an episode list can be frozen without its images depends on published counts (`makers.paper_lock`); the rest is
fixed when a track first opens its images, and every record holds the hash of those.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from freeshot import Track
from freeshot_vision.paper.pools import (
    BACKBONE,
    CIFAR,
    IN_DOMAIN,
    MIXED,
    Q8,
    Q8_CIFAR,
    SMALL_SOURCES,
    pool_of,
    small_pool_of,
)

CROSS_DOMAIN = ("chestx", "isic", "eurosat", "crop-diseases")
FURTHER = ("dtd", "omniglot", "quick-draw", "aircraft", "traffic-signs")
SMALL_CROSS_DOMAIN = ("eurosat-500", "isic-300")
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


def _small(group: str, name: str, shot: int, *, sources: tuple[str, ...], **changed: Any) -> Track:
    full = f"{group}/{name}/5w{shot}s"
    (source,) = sources if len(sources) == 1 else ("mixed",)
    settings = {"dataset": name, "backbone": Q8, "pool": small_pool_of(source), **changed}
    frozen = FROZEN.get(full, {}).get("indices_sha256", "")
    return Track(name=full, sources=sources, shot=shot, optional=True, indices_sha256=frozen, **settings)


TRACKS = (
    *(_track("in-domain", name, shot, pool=pool_of(name)) for name in IN_DOMAIN for shot in SHOTS),
    *(_track("cross-domain", name, shot) for name in CROSS_DOMAIN for shot in SHOTS),
    *(_track("further", name, shot) for name in FURTHER for shot in SHOTS),
)


def _first_100(group: str, shot: int, **changed: Any) -> Track:
    """Return a track on 100 images of each class of CIFAR-FS, with the network and the pool of its large track.

    A profile that replaces both then does so on either track, and a row has one label on them.
    """
    settings = {"dataset": "cifar-fs:per_class=100", "backbone": CIFAR, "pool": pool_of("cifar-fs"), **changed}
    return _small(group, "cifar-fs-100", shot, sources=("cifar-fs",), **settings)


FIRST_100 = tuple(_first_100("in-domain", shot, episodes=100) for shot in SHOTS)
"""100 episodes, for rows that tune at test."""
VALIDATION = tuple(_first_100("validation", shot, split="validation", episodes=300) for shot in SHOTS)
"""Validation classes, on which the small profiles' settings may be chosen."""
SMALL_TRACKS = (
    *FIRST_100,
    *(_small("in-domain", name, shot, sources=(name,)) for name in SMALL_SOURCES[1:] for shot in SHOTS),
    *(_small("cross-domain", name, shot, sources=SMALL_SOURCES) for name in SMALL_CROSS_DOMAIN for shot in SHOTS),
)
POOL_VARIANTS = (
    *("first2", "first5", "first10", "first20"), *("best10", "worst10"), *("rank1", "rank2"),
    *("mislabelled30", "noise30"),
)  # fmt: skip
"""Fewer LoRAs, more or less accurate LoRAs, lower ranks, and corrupted LoRAs."""
VARIED = tuple(
    replace(
        FIRST_100[0],
        name=f"paper-pools/{variant}/cifar-fs-100/5w1s",
        backbone=Q8_CIFAR,
        pool=f"{small_pool_of('cifar-fs')}+{variant}",
    )
    for variant in POOL_VARIANTS
)
"""The episodes of CIFAR-FS with one shot and 100 images a class, on variants of the small pool."""
