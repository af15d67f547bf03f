"""Episode lists that nobody could freeze beforehand, because their images are not shipped: fixed when first met.

The first list that a track draws from a person's images is noted in their data folder; one that later comes out
differently is refused. Records hold the same hash, so that those of other images are told apart.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from freeshot.basics.errors import EpisodeError, StoreError
from freeshot.basics.files import write_text
from freeshot.evaluation.episodes import episodes_sha256

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from freeshot.contracts.flow import Episode
    from freeshot.contracts.images import Images
    from freeshot.contracts.tracks import Track


def require_as_first_met(track: Track, episodes: Sequence[Episode], images: Images, data: Path) -> None:
    """Note a list's hash in the data folder, or compare it with what is noted; EpisodeError where they differ.

    A folder that cannot be written keeps no note; the record still says what the list was.
    """
    found = {"episodes_sha256": episodes_sha256(episodes, images.sha256), "images_sha256": images.sha256}
    note = note_of(track, data)
    known = _read(note)
    if known is None:
        with suppress(StoreError):
            write_text(note, json.dumps(found, indent=1) + "\n")
    elif known != found:
        raise EpisodeError(
            f"The episodes of '{track.name}' are not those that were first met here: images or labels of "
            f"'{track.dataset}' have changed since. Restore them, or delete {note} and run all methods again."
        )


def note_of(track: Track, data: Path) -> Path:
    """Say where the hash of a track's list is noted; another question, or version, is another list."""
    size = f"{track.way}w{track.shot}s{track.query}q-{track.episodes}"
    return data / ".freeshot" / "episodes" / track.name / f"{size}-v{track.version}.json"


def _read(note: Path) -> object:
    """Read a note; one that cannot be read is none."""
    try:
        return json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
