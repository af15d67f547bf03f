"""Rules for data sets, backbones, tracks, launchers and columns."""

from __future__ import annotations

import tempfile
from contextlib import chdir, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from freeshot.basics.errors import DataError
from freeshot.contracts.dataset import Images, fitted, wrong_size
from freeshot.data.lookup import dataset_by_name, open_splits
from freeshot.engine.lora.bank import TARGETS, slots_of
from freeshot.engine.vit.backbone import backbone_provider, named_backbone, open_backbone
from freeshot.engine.vit.forward import forward
from freeshot.evaluation.episodes import track_episodes
from freeshot.pool.locate import find_pool
from freeshot.pool.store import open_pool
from freeshot.pool.variants import split_name
from freeshot.records.models import RunRecord
from freeshot.testing.contract.fixtures import FrozenBackbone
from freeshot.testing.contract.method import record_of
from freeshot.testing.contract.rules import BrokenError, Subject, rule


def _splits(subject: Subject) -> dict[str, Images]:
    splits, absent = open_splits(subject.make(), subject.data)
    if not splits:
        raise BrokenError(" ".join(("It has no image in any split.", *list(absent.values())[-1:])))
    return splits


@rule("each image has a label, each class a name and an image, in every split", "dataset")
def _labels(subject: Subject) -> None:
    for split, images in _splits(subject).items():
        labels = np.asarray(images.labels)
        if labels.ndim != 1 or len(labels) != len(images) or not np.issubdtype(labels.dtype, np.integer):
            raise BrokenError(
                f"{split}: labels are {labels.dtype} {list(labels.shape)}. Return {len(images)} integers."
            )
        if set(labels.tolist()) != set(range(len(images.classes))):
            raise BrokenError(f"{split}: labels do not cover 0…{len(images.classes) - 1}, its classes. Fix the labels.")


@rule("no class is in two splits", "dataset")
def _disjoint(subject: Subject) -> None:
    seen: dict[str, str] = {}
    for split, images in _splits(subject).items():
        for name in images.classes:
            if name in seen:
                raise BrokenError(f"The class '{name}' is in {seen[name]} and in {split}. Novel classes must be new.")
            seen[name] = split


@rule("images are read in the given order, as uint8 [b, 3, h, w], the same each time", "dataset")
def _reads(subject: Subject) -> None:
    for split, images in _splits(subject).items():
        indices = sorted({0, len(images) // 2, len(images) - 1}, reverse=True)
        read = images.read(indices)
        if read.dtype != torch.uint8 or read.ndim != 4 or list(read.shape[:2]) != [len(indices), 3]:
            raise BrokenError(
                f"{split}: {len(indices)} images are {read.dtype} {list(read.shape)}. Return uint8 [b, 3, h, w]."
            )
        alone = torch.cat([images.read([index]) for index in indices])
        if not torch.equal(read, alone):
            raise BrokenError(f"{split}: images read together differ from images read alone. Keep the given order.")


@rule("images are square and of one size, and at(side) gives that side", "dataset")
def _sizes(subject: Subject) -> None:
    first: dict[tuple[int, ...], str] = {}
    for split, images in _splits(subject).items():
        height, width = images.read([0]).shape[-2:]
        if height != width:
            raise BrokenError(f"{split}: images are {width} × {height} px. Return squares, which backbones take.")
        first.setdefault((height, width), split)
        shown = list(fitted(images, 2 * height).read([0]).shape[-2:])
        if hasattr(images, "at") and shown != [2 * height] * 2:
            raise BrokenError(f"{split}: at({2 * height}) gives {shown} px. Return the side that was passed.")
    if len(first) > 1:
        sizes = ", ".join(f"{split} {side} px" for (side, _), split in first.items())
        raise BrokenError(f"Splits differ in size: {sizes}. Return one size, or offer at(side).")


@rule("a split is identified by its hash", "dataset")
def _hashes(subject: Subject) -> None:
    first = {split: images.sha256 for split, images in _splits(subject).items()}
    if first != {split: images.sha256 for split, images in _splits(subject).items()}:
        raise BrokenError("sha256 differs each time the split is opened. Hash the images and nothing else.")
    if "" in first.values() or len(set(first.values())) < len(first):
        raise BrokenError("sha256 is empty or the same for two splits. Hash pixels and labels, or their files.")


@rule("maps images to features", "backbone")
def _features(subject: Subject) -> None:
    backbone = open_backbone(subject.make())
    images = torch.rand(2, 3, *[backbone.image_size] * 2, generator=torch.Generator().manual_seed(0))
    features = forward(backbone, images).features
    if not torch.isfinite(features).all():
        raise BrokenError("Its features are not finite. Check weights and normalisation.")
    if torch.equal(features[0], features[1]):
        raise BrokenError("Two images have the same features. Return features, not a constant.")


@rule("has the same weights each time it is opened", "backbone")
def _weights(subject: Subject) -> None:
    if open_backbone(subject.make()).sha256 != open_backbone(subject.make()).sha256:
        raise BrokenError("Opened twice, its weights differ. Load them from a file, or draw them from a seed.")


@rule("has the layers that LoRAs modify", "backbone")
def _places(subject: Subject) -> None:
    vit = open_backbone(subject.make()).vit
    for target in TARGETS:
        slots_of(vit, (target,))


@rule("its data set, backbone and pool are available and compatible", "track")
def _parts_are_there(subject: Subject) -> None:
    catalogue, track = subject.world.catalogue, subject.value
    for name in {track.dataset, *track.sources}:
        dataset_by_name(catalogue, name)
    backbone = named_backbone(catalogue, track.backbone)
    open_pool(find_pool(split_name(track.pool)[0], catalogue).folder, backbone.sha256)


@rule("its episodes can be drawn", "track")
def _episodes(subject: Subject) -> None:
    track = subject.value
    dataset = dataset_by_name(subject.world.catalogue, track.dataset)
    track_episodes(track, dataset.load(track.split, subject.data))  # raises the error, including a changed frozen hash


@rule("its images have the size that its backbone takes", "track")
def _images_fit(subject: Subject) -> None:
    catalogue, track = subject.world.catalogue, subject.value
    side = backbone_provider(catalogue, track.backbone).image_size()
    for name, split in ((track.dataset, track.split), *((source, "base") for source in track.sources)):
        with suppress(DataError):  # missing base images: few methods need them
            images = dataset_by_name(catalogue, name).load(split, subject.data)
            if reason := wrong_size(images, name, side, track.backbone):
                raise BrokenError(reason)


@rule("runs every cell once", "launcher")
def _launches(subject: Subject) -> None:
    cells = [f"cell-{number}" for number in range(3)]
    for some in (cells, []):
        with tempfile.TemporaryDirectory(dir=subject.world.folder) as folder:
            with chdir(subject.world.folder):  # a launcher may write files to the working directory
                subject.make().launch(some, partial(_note, Path(folder).absolute()))
            ran = sorted(path.name.partition(".")[0] for path in Path(folder).iterdir())
        if ran != some:
            raise BrokenError(f"Of {len(some)} cells it ran {ran}. Call run_cell once for each.")


def _note(folder: Path, cell: str) -> None:
    """Create a new file for a cell; picklable, like the callables that launchers get."""
    tempfile.mkstemp(prefix=f"{cell}.", dir=folder)


@rule("returns a number, a text or None for any record", "column")
def _reads_records(subject: Subject) -> None:
    for record in _records(subject):
        value = subject.value.from_record(record)
        if value is not None and not isinstance(value, (str, int, float)):
            raise BrokenError(
                f"From a record of status {record.status} it returned {value!r}. Return a number, a text or None."
            )


def _records(subject: Subject) -> list[RunRecord]:
    """Return one finished and one failed record."""
    world = subject.world
    tracks = (world.track(2, 1), replace(world.track(2, 1), way=50))
    return [record_of(world.catalogue, FrozenBackbone, {}, track, world.folder) for track in tracks]
