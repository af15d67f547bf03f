"""The paper's tracks: four in-domain sets, four cross-domain sets, and further domains as a group of their own.

How far a list of episodes can be frozen without its images depends on what publishers state, see `counts`; the rest is
fixed when a track first meets its images, and every record holds the hash of what was met.
"""

from __future__ import annotations

import json
from pathlib import Path

from freeshot import Track
from freeshot_vision.paper.pools import BACKBONE, CIFAR, IN_DOMAIN, MIXED, pool_of

CROSS_DOMAIN = ("chestx", "isic", "eurosat", "crop-diseases")
FURTHER = {
    "dtd": "dtd",
    "omniglot": "omniglot",
    "quick-draw": "sketch",
    "aircraft": "aircraft",
    "traffic-signs": "traffic-signs",
}
"""Track → data set; Quick, Draw! is the drawings that are shipped with the pocket suite."""
SHOTS = (1, 5)
LOCK = Path(__file__).parent / "episodes.lock"


def _track(group: str, name: str, shot: int, *, dataset: str = "", pool: str = MIXED) -> Track:
    full = f"{group}/{name}/5w{shot}s"
    frozen = _frozen().get(full, {})
    return Track(
        name=full,
        dataset=dataset or name,
        pool=pool,
        sources=IN_DOMAIN if pool == MIXED else (name,),
        backbone=CIFAR if pool == pool_of("cifar-fs") else BACKBONE,
        shot=shot,
        optional=True,
        episodes_sha256=frozen.get("episodes_sha256", ""),
        indices_sha256=frozen.get("indices_sha256", ""),
    )


def _frozen() -> dict[str, dict[str, str]]:
    """Read the hashes that are frozen: of the indices, or of the whole list where the images are shipped."""
    hashes: dict[str, dict[str, str]] = json.loads(LOCK.read_text(encoding="utf-8")) if LOCK.exists() else {}
    return hashes


TRACKS = (
    *(_track("in-domain", name, shot, pool=pool_of(name)) for name in IN_DOMAIN for shot in SHOTS),
    *(_track("cross-domain", name, shot) for name in CROSS_DOMAIN for shot in SHOTS),
    *(_track("further", name, shot, dataset=dataset) for name, dataset in FURTHER.items() for shot in SHOTS),
)
