"""Validation of a data set on disk: counts per split, broken images, near duplicates across base and novel.

A novel image that was also used in training is not novel. Near duplicates are found by the difference hash (dHash),
which compares each of 9 × 8 grey pixels with its right neighbour: 64 bits that are robust to resizing, compression and
small colour changes. Axes: n and m images.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from freeshot.basics.errors import DataError
from freeshot.contracts.dataset import FewShotDataset, Images
from freeshot.data.lookup import open_splits

RADIUS = 4
"""Number of 64 bits in which near duplicates may differ."""
BLOCK = 2**22
"""Pairs compared at a time."""


@dataclass(frozen=True)
class SplitReport:
    """Counts and hash of one split."""

    name: str
    classes: int
    images: int
    fewest: int
    """Images of the smallest class."""
    sha256: str


@dataclass(frozen=True)
class NearDuplicate:
    """A base and a novel image that are equal or nearly equal."""

    base: str
    novel: str
    bits: int
    same: bool
    """Whether all pixels are equal."""


@dataclass(frozen=True)
class DatasetReport:
    """Result of a check."""

    splits: tuple[SplitReport, ...]
    broken: tuple[str, ...] = ()
    """One sentence for each image that cannot be read."""
    near_duplicates: tuple[NearDuplicate, ...] = ()
    checksums: tuple[str, ...] = ()
    """Results of the publisher's checksums, one sentence each."""
    absent: dict[str, str] = field(default_factory=dict)
    """Split → why it could not be opened."""


def check_dataset(
    dataset: FewShotDataset,
    root: Path,
    *,
    decode: bool = True,
    radius: int = RADIUS,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> DatasetReport:
    """Open every split and, with `decode`, every image; DataError if no split can be opened."""
    opened, absent = open_splits(dataset, root)
    if not opened:
        raise DataError(absent.get("novel") or f"'{dataset.name}' has no image in any split. Check its files.")
    splits = []
    for name, images in opened.items():
        counts = np.bincount(np.asarray(images.labels, dtype=np.int64), minlength=len(images.classes))
        splits.append(SplitReport(name, len(images.classes), len(images), int(counts.min()), images.sha256))
    checksums = tuple(dataset.verify(root))
    if not decode:
        return DatasetReport(tuple(splits), checksums=checksums, absent=absent)
    done, total = count(1), sum(map(len, opened.values()))
    hashes = {name: _hashed(images, lambda: on_step(next(done), total)) for name, images in opened.items()}
    broken = tuple(sentence for split in hashes.values() for sentence in split.broken)
    pairs = _near_duplicates(hashes["base"], hashes["novel"], radius) if {"base", "novel"} <= hashes.keys() else ()
    return DatasetReport(tuple(splits), broken, pairs, checksums, absent)


@dataclass(frozen=True, eq=False)
class _Hashes:
    """Indices, pixel hashes and difference hashes of a split's readable images, in lists of equal length."""

    images: Images
    indices: list[int] = field(default_factory=list)
    pixels: list[bytes] = field(default_factory=list)
    bits: list[NDArray[np.bool_]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def name(self, position: int) -> str:
        """Name an image by its file, or, if it has no file of its own, by class and index within it."""
        index = self.indices[position]
        if files := getattr(self.images, "files", None):
            return str(files[index])
        labels = np.asarray(self.images.labels)
        return f"{(labels[:index] == labels[index]).sum()} of '{self.images.classes[labels[index]]}'"


def _hashed(images: Images, on_step: Callable[[], None]) -> _Hashes:
    hashes = _Hashes(images)
    for index in range(len(images)):
        try:
            pixels = images.read([index])[0].permute(1, 2, 0).numpy()  # [h, w, 3]
        except DataError as error:
            hashes.broken.append(str(error))
        else:
            hashes.indices.append(index)
            hashes.pixels.append(hashlib.blake2b(np.ascontiguousarray(pixels).tobytes(), digest_size=16).digest())
            hashes.bits.append(dhash(pixels))
        on_step()
    return hashes


def _near_duplicates(base: _Hashes, novel: _Hashes, radius: int) -> tuple[NearDuplicate, ...]:
    """Compare every base image with every novel one; most similar pairs first."""
    where: dict[bytes, list[int]] = defaultdict(list)
    for i, pixels in enumerate(base.pixels):
        where[pixels].append(i)
    same = {(i, j) for j, pixels in enumerate(novel.pixels) for i in where.get(pixels, ())}
    first, second = (np.array(split.bits, dtype=bool).reshape(-1, 64) for split in (base, novel))
    bits = {(i, j): bits for i, j, bits in near_pairs(first, second, radius)} | dict.fromkeys(same, 0)
    pairs = [NearDuplicate(base.name(i), novel.name(j), distance, (i, j) in same) for (i, j), distance in bits.items()]
    return tuple(sorted(pairs, key=lambda pair: (not pair.same, pair.bits, pair.base, pair.novel)))


def dhash(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the difference hash [64] of an image [h, w, 3]; all bits of a uniform image are False."""
    small = Image.fromarray(pixels).convert("L").resize((9, 8), Image.Resampling.BILINEAR)
    grey = np.asarray(small)  # [8, 9]
    return (grey[:, :-1] < grey[:, 1:]).ravel()  # [64]


def near_pairs(
    first: NDArray[np.bool_], second: NDArray[np.bool_], radius: int = RADIUS
) -> Iterator[tuple[int, int, int]]:
    """Find pairs of hashes [n, 64] and [m, 64] that differ in at most `radius` bits: index, index, number of bits.

    Uniform images are skipped. The product of two hashes of ±1 is 64 less twice the number of differing bits.
    """
    rows = max(1, BLOCK // max(1, len(second)))
    others = np.where(second, 1, -1).astype(np.float32).T  # [64, m]
    for start in range(0, len(first), rows):
        products = np.where(first[start : start + rows], 1, -1).astype(np.float32) @ others  # [rows, m]
        for i, j in np.argwhere(products >= 64 - 2 * radius).tolist():
            if first[start + i].any() and second[j].any():
                yield start + i, j, int(64 - products[i, j]) // 2
