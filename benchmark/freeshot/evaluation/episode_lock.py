"""Episode lists of users' images, which cannot be frozen in advance: their hash is stored on first use.

The hash of the first list that a track draws from a user's images is stored in the data folder; a later list that
differs is refused. Records hold the same hash, which distinguishes results on other images.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from freeshot.basics.errors import EpisodeError, StoreError
from freeshot.basics.files import write_text
from freeshot.contracts.dataset import Images
from freeshot.contracts.tensors import Episode
from freeshot.contracts.tracks import Track
from freeshot.evaluation.episodes import episodes_sha256


def require_as_first_met(track: Track, episodes: Sequence[Episode], images: Images, data: Path) -> None:
    """Store a list's hash in the data folder, or compare it with the stored one; EpisodeError if they differ.

    If the folder is read-only nothing is stored; the record still holds the hash.
    """
    hashes = {"episodes_sha256": episodes_sha256(episodes, images.sha256), "images_sha256": images.sha256}
    note = note_of(track, data)
    stored = _read(note)
    if stored is None:
        with suppress(StoreError):
            write_text(note, json.dumps(hashes, indent=1) + "\n")
    elif stored != hashes:
        raise EpisodeError(
            f"The episodes of '{track.name}' differ from those of the first run here: images or labels of "
            f"'{track.dataset}' have changed since. Restore them, or delete {note} and run all methods again."
        )


def note_of(track: Track, data: Path) -> Path:
    """Return the path of a track's stored hash; it depends on the track's settings and version."""
    size = f"{track.way}w{track.shot}s{track.query}q-{track.episodes}"
    return notes_folder(data) / track.name / f"{size}-v{track.version}.json"


def notes_folder(data: Path) -> Path:
    """Return the folder of all stored hashes."""
    return data / ".freeshot" / "episodes"


def _read(note: Path) -> object:
    """Read a stored hash; None if it cannot be read."""
    try:
        return json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
