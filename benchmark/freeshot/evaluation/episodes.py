"""Frozen episode lists: drawn from the track and the labels alone, the same on every machine, hashed.

Random numbers are the raw output of Philox, which numpy guarantees to be stable, ordered by sorting; no library's
`choice` is used. Episode i does not depend on the number of episodes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from freeshot.basics.errors import EpisodeError
from freeshot.basics.files import canonical_json
from freeshot.basics.seeds import derive
from freeshot.contracts.dataset import Images
from freeshot.contracts.tensors import Episode
from freeshot.contracts.tracks import Track


def draw_episode(labels: NDArray[np.int64], way: int, shot: int, query: int, seed: int, number: int) -> Episode:
    """Draw one episode: `way` classes, then `shot` + `query` different images of each."""
    return _drawn(_members(labels), way, shot, query, seed, number)


def draw_episodes(
    labels: NDArray[np.int64], way: int, shot: int, query: int, seed: int, count: int
) -> tuple[Episode, ...]:
    """Draw episodes 0…count−1."""
    members = _members(labels)
    return tuple(_drawn(members, way, shot, query, seed, number) for number in range(count))


def _members(labels: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
    """Return the indices of each class's images, classes ascending."""
    return {int(label): np.flatnonzero(labels == label) for label in np.unique(labels)}


def _drawn(
    members: Mapping[int, NDArray[np.int64]], way: int, shot: int, query: int, seed: int, number: int
) -> Episode:
    source = np.random.Philox(key=derive(seed, number))
    classes: list[int] = _shuffled(source, np.array([*members]))[:way].tolist()
    support: list[int] = []
    queries: list[int] = []
    for label in classes:
        chosen = _shuffled(source, members[label])[: shot + query].tolist()
        support += chosen[:shot]
        queries += chosen[shot:]
    return Episode(number, tuple(classes), tuple(support), tuple(queries))


def track_episodes(track: Track, images: Images) -> tuple[Episode, ...]:
    """Draw a track's episode list and verify its frozen hash; EpisodeError if it does not match."""
    require_enough(track, images)
    labels = np.asarray(images.labels, dtype=np.int64)
    episodes = draw_episodes(labels, track.way, track.shot, track.query, _seed(track), track.episodes)
    if track.indices_sha256 and indices_sha256(episodes) != track.indices_sha256:
        counts = np.bincount(labels, minlength=len(images.classes))
        raise EpisodeError(
            f"The episodes of '{track.name}' are not the frozen ones: this copy of '{track.dataset}' has other numbers "
            f"of images than its publisher's, {counts.min()} to {counts.max()} a class of {len(counts)} in the "
            f"{track.split} split. Get it again and run 'freeshot data check {track.dataset}'."
        )
    sha256 = episodes_sha256(episodes, images.sha256)
    if track.episodes_sha256 and sha256 != track.episodes_sha256:
        raise EpisodeError(
            f"The episodes of '{track.name}' are not the frozen ones ({sha256[:12]}… instead of "
            f"{track.episodes_sha256[:12]}…): images or labels of '{track.dataset}' have changed. Restore them."
        )
    return episodes


def indices_sha256(episodes: Sequence[Episode]) -> str:
    """Hash a list of indices, independent of the images."""
    return hashlib.sha256(canonical_json(_rows(episodes)).encode()).hexdigest()


def frozen_indices(track: Track, counts: Sequence[int]) -> str:
    """Return the hash of a track's episode list for classes with these numbers of images, in order."""
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int64)
    return indices_sha256(draw_episodes(labels, track.way, track.shot, track.query, _seed(track), track.episodes))


def episodes_sha256(episodes: Sequence[Episode], images_sha256: str) -> str:
    """Hash a list together with its images."""
    return hashlib.sha256(f"{images_sha256}\n{canonical_json(_rows(episodes))}".encode()).hexdigest()


def require_enough(track: Track, images: Images) -> None:
    """Require enough classes, and enough images of each, for a track's episodes."""
    counts = np.bincount(np.asarray(images.labels, dtype=np.int64), minlength=len(images.classes))
    if len(counts) < track.way:
        raise EpisodeError(
            f"Track '{track.name}' draws {track.way} classes, but the {track.split} split of '{track.dataset}' "
            f"has only {len(counts)}. Choose a smaller way."
        )
    poorest = int(counts.argmin())
    needed = track.shot + track.query
    if counts[poorest] < needed:
        raise EpisodeError(
            f"Track '{track.name}' needs {needed} images of every class ({track.shot} shot + {track.query} query), but "
            f"'{images.classes[poorest]}' of '{track.dataset}' has {counts[poorest]}. Lower shot or query."
        )


def _shuffled(source: np.random.Philox, items: NDArray[np.int64]) -> NDArray[np.int64]:
    return items[np.argsort(source.random_raw(len(items)), kind="stable")]


def _seed(track: Track) -> int:
    return derive(track.version, "episodes", track.dataset, track.split, track.way, track.shot, track.query)


def _rows(episodes: Sequence[Episode]) -> list[list[object]]:
    return [[e.id, list(e.classes), list(e.support), list(e.query)] for e in episodes]
