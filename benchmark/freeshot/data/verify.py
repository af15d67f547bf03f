"""Validation of a data set on disk: counts per split, broken images, near duplicates across base and novel."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from freeshot.basics.errors import DataError
from freeshot.data.near_duplicates import RADIUS, Pair, dhash, near_pairs
from freeshot.data.splits import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from freeshot.contracts.dataset import FewShotDataset, Images


@dataclass(frozen=True)
class SplitFound:
    """Counts and hash of one split."""

    name: str
    classes: int
    images: int
    fewest: int
    """Images of the smallest class."""
    sha256: str


@dataclass(frozen=True)
class Alike:
    """A base and a novel image that are equal or nearly equal."""

    base: str
    novel: str
    bits: int
    """Number of differing hash bits; 0 with `same` for equal pixels."""
    same: bool


@dataclass(frozen=True)
class Found:
    """Result of a check."""

    splits: tuple[SplitFound, ...]
    broken: tuple[str, ...] = ()
    """One sentence for each image that cannot be read."""
    alike: tuple[Alike, ...] = ()
    checksums: tuple[str, ...] = ()
    """Results of the publisher's checksums, one sentence each."""
    absent: dict[str, str] = field(default_factory=dict)
    """Split → why it could not be opened."""


@dataclass(frozen=True, eq=False)
class _Looked:
    """Names, pixel hashes and difference hashes of a split's readable images; lists of equal length."""

    names: list[str]
    pixels: list[bytes]
    hashes: list[int]
    broken: list[str]


def check_dataset(
    dataset: FewShotDataset,
    root: Path,
    *,
    look: bool = True,
    radius: int = RADIUS,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> Found:
    """Open every split and, with `look`, every image; DataError if no split can be opened."""
    opened: dict[str, Images] = {}
    absent: dict[str, str] = {}
    for name in NAMES:
        try:
            images = dataset.load(name, root)
        except DataError as error:
            absent[name] = str(error)
            continue
        if len(images):
            opened[name] = images
    if not opened:
        raise DataError(absent.get("novel") or f"'{dataset.name}' has no image in any split. Check its files.")
    splits = tuple(_counted(name, images) for name, images in opened.items())
    checksums = tuple(dataset.verify(root))
    if not look:
        return Found(splits, checksums=checksums, absent=absent)
    total, done, looked = sum(map(len, opened.values())), 0, {}
    for name, images in opened.items():
        looked[name] = _look(images, _after(done, total, on_step))
        done += len(images)
    broken = tuple(sentence for seen in looked.values() for sentence in seen.broken)
    alike = _alike(looked["base"], looked["novel"], radius) if {"base", "novel"} <= set(looked) else ()
    return Found(splits, broken, alike, checksums, absent)


def _counted(name: str, images: Images) -> SplitFound:
    counts = np.bincount(np.asarray(images.labels, dtype=np.int64), minlength=len(images.classes))
    return SplitFound(name, len(images.classes), len(images), int(counts.min()), images.sha256)


def _after(before: int, total: int, on_step: Callable[[int, int], None]) -> Callable[[int], None]:
    return lambda count: on_step(before + count, total)


def _look(images: Images, on_step: Callable[[int], None]) -> _Looked:
    named = _namer(images)
    looked = _Looked([], [], [], [])
    for index in range(len(images)):
        try:
            pixels = images.read([index])[0].permute(1, 2, 0).numpy()  # [h, w, 3]
        except DataError as error:
            looked.broken.append(str(error))
        else:
            looked.names.append(named(index))
            looked.pixels.append(hashlib.blake2b(np.ascontiguousarray(pixels).tobytes(), digest_size=16).digest())
            looked.hashes.append(dhash(pixels))
        on_step(index + 1)
    return looked


def _namer(images: Images) -> Callable[[int], str]:
    """Name images by file, or, if they have no files of their own, by class and index within it."""
    if files := getattr(images, "files", None):
        return lambda index: str(files[index])
    labels = np.asarray(images.labels)
    places = np.empty(len(labels), np.int64)
    for label in range(len(images.classes)):
        mine = np.flatnonzero(labels == label)
        places[mine] = np.arange(len(mine))
    return lambda index: f"{places[index]} of '{images.classes[labels[index]]}'"


def _alike(base: _Looked, novel: _Looked, radius: int) -> tuple[Alike, ...]:
    """Compare every base image with every novel one; most similar pairs first."""
    first, second = (np.array(seen.hashes, dtype=np.uint64) for seen in (base, novel))
    where: dict[bytes, list[int]] = {}
    for place, pixels in enumerate(base.pixels):
        where.setdefault(pixels, []).append(place)
    same = {(i, j) for j, pixels in enumerate(novel.pixels) for i in where.get(pixels, ())}
    pairs = [*(Pair(i, j, 0) for i, j in same), *near_pairs(first, second, radius)]
    found = {(pair.first, pair.second): pair.bits for pair in reversed(pairs)}
    alike = [Alike(base.names[i], novel.names[j], bits, (i, j) in same) for (i, j), bits in found.items()]
    return tuple(sorted(alike, key=lambda pair: (not pair.same, pair.bits, pair.base, pair.novel)))
