"""Freeze episode lists: `python -m makers.freeze_episodes 'in-domain/*' … > episodes.lock`.

Prints a JSON mapping of track name to the hash of its list. Ship this file with the tracks; a list that later differs
is refused.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from freeshot.data.lookup import dataset_by_name
from freeshot.evaluation.episodes import episodes_sha256, track_episodes
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from freeshot.contracts.dataset import Images
    from freeshot.contracts.tracks import Track


def freeze(track: Track, catalogue: Catalogue, data: Path) -> str:
    """Return the hash of a track's list as drawn now."""
    dataset = dataset_by_name(catalogue, track.dataset)
    images: Images = dataset.load(track.split, data)
    return episodes_sha256(track_episodes(replace(track, episodes_sha256=""), images), images.sha256)


def main(patterns: Sequence[str], data: Path = Path("data")) -> None:
    """Freeze the tracks that match the patterns and print the lock file."""
    catalogue = Catalogue(load_plugins())
    tracks = [t for t in catalogue.match_tracks(patterns) if not t.optional or t.name in patterns]
    hashes = {track.name: freeze(track, catalogue, data) for track in tracks}
    print(json.dumps(hashes, indent=1, sort_keys=True))


if __name__ == "__main__":
    main(sys.argv[1:])
