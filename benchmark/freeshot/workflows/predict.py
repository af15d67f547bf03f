"""Classify images by the nearest class mean of a few labelled ones: one forward pass each, no tuning.

Axes: n support images, q query images, c classes, d features, k nearest support images.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from freeshot.basics.errors import DataError, OptionError
from freeshot.contracts.method import Learner
from freeshot.data.image_folder import open_classes, open_queries
from freeshot.data.images import FileImages
from freeshot.engine.lora.adapted_learner import AdaptedLearner
from freeshot.engine.vit.backbone import Backbone, named_backbone
from freeshot.evaluation.picture_predictions import Neighbour, PicturePredictions, Prediction
from freeshot.evaluation.scoring import embed
from freeshot.ops.prototypes import leave_one_out, prototype_logits
from freeshot.plugin.catalogue import Catalogue
from freeshot.pool.any_adapter import backbone_of_adapter, open_any_adapter
from freeshot.stats.temperature import fit_temperature

AT_ONCE = 256
"""Images compared with all others, or all classes, at a time."""
NEAREST = 3
"""Support images named with each prediction."""
ALONE = "no class has two support images"
LIMITS = {
    0.0: "every support image is nearest to the other images of its class",
    math.inf: "support images are not nearer to the other images of their class than to other classes",
}
"""Reasons why no temperature could be fitted, by the limit that it tends to."""


def open_learner(
    catalogue: Catalogue, adapter: Path | None, backbone: str | None, device: str = "cpu"
) -> tuple[AdaptedLearner, Backbone]:
    """Open a backbone, and an adapter on it; without `backbone` it is the one that the adapter's files name."""
    if adapter is not None and backbone is None:
        backbone = backbone_of_adapter(adapter, catalogue)
    if backbone is None:
        raise OptionError("No backbone given. Set --adapter (which determines the backbone) or --backbone.")
    opened = named_backbone(catalogue, backbone, device)
    return AdaptedLearner(opened, None if adapter is None else open_any_adapter(adapter, opened)), opened


def predict_folders(
    learner: Learner,
    support: Path,
    query: Path,
    side: int,
    device: torch.device,
    *,
    strict: bool = False,
    batch: int | None = None,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> PicturePredictions:
    """Predict, as `predict` does, for a folder or file of images, from a folder of class folders.

    `side` is the network's input size in pixels. The true class of a query is the folder that it lies in, if that is
    named after a class.
    """
    shown = open_classes(support, side)
    queries = open_queries(query, side, shown.classes)
    return predict(learner, shown, queries, device, strict=strict, batch=batch, on_step=on_step)


def predict(
    learner: Learner,
    support: FileImages,
    query: FileImages,
    device: torch.device,
    *,
    strict: bool = False,
    batch: int | None = None,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> PicturePredictions:
    """Return a prediction for each query image, in their order.

    Images that cannot be read are skipped; DataError if that leaves a class without support image or no query image,
    or, with `strict`, for the first of them. The labels of `query` are true classes if its classes are those of
    `support`, −1 where it is not given. `batch` is the number of images per forward pass.
    """
    total = len(support) + len(query)
    if not strict:
        support, query = replace(support, skipped={}), replace(query, skipped={})
    embedded = _embed(learner, support, device, batch, lambda done, _: on_step(done, total))
    for label, name in enumerate(support.classes):
        if label not in embedded.images.labels:
            reason = next(text for index, text in embedded.skipped.items() if support.labels[index] == label)
            raise DataError(f"No support image of the class '{name}' can be read. {reason}")
    queries = _embed(learner, query, device, batch, lambda done, _: on_step(len(support) + done, total))
    if not len(queries.images):
        raise DataError(f"No query image can be read. {next(iter(queries.skipped.values()))}")
    temperature, uncalibrated = _calibrate(embedded)
    return PicturePredictions(
        _predictions(embedded, queries, temperature or 1.0),
        support.classes,
        temperature,
        uncalibrated,
        (*embedded.skipped.values(), *queries.skipped.values()),
    )


@dataclass(frozen=True, eq=False)
class _Embedded:
    """Images that could be read, their features [n, d], and a sentence for each of the others."""

    images: FileImages
    features: Tensor
    skipped: dict[int, str]

    def logits(self, features: Tensor) -> Tensor:
        """Return minus the Euclidean distances of features [q, d] to the class means [q, c].

        In blocks, because the [q, c, d] differences of many images and classes need much memory.
        """
        labels, way = torch.from_numpy(self.images.labels), len(self.images.classes)
        blocks = torch.split(features, AT_ONCE)
        return torch.cat([prototype_logits(b, self.features, labels, way, distance="euclidean") for b in blocks])

    def nearest(self, features: Tensor) -> list[tuple[Neighbour, ...]]:
        """Return the k nearest of these images for each of features [q, d]."""
        near = []
        for block in torch.split(features, AT_ONCE):
            distances = torch.cdist(block, self.features, compute_mode="donot_use_mm_for_euclid_dist")
            values, rows = distances.topk(min(NEAREST, len(self.features)), largest=False)  # [q, k]
            near += [tuple(map(self._neighbour, *pair)) for pair in zip(rows.tolist(), values.tolist(), strict=True)]
        return near

    def _neighbour(self, row: int, distance: float) -> Neighbour:
        return Neighbour(self.images.files[row], self.images.classes[self.images.labels[row]], distance)


def _embed(
    learner: Learner,
    images: FileImages,
    device: torch.device,
    batch: int | None,
    on_step: Callable[[int, int], None],
) -> _Embedded:
    features = embed(learner, images, range(len(images)), device, on_step, batch)
    skipped = images.skipped or {}
    kept = [index for index in range(len(images)) if index not in skipped]
    files = tuple(images.files[index] for index in kept)
    readable = replace(images, files=files, labels=images.labels[kept])
    return _Embedded(readable, features[kept], dict(sorted(skipped.items())))


def _calibrate(support: _Embedded) -> tuple[float | None, str]:
    """Fit a temperature to the support images, each left out of the mean of its class; None, and why, if there is none.

    With k images per class it is slightly too high for the means of k images, since these are less noisy.
    """
    logits, labels = leave_one_out(support.logits(support.features).double(), torch.from_numpy(support.images.labels))
    if not len(labels):
        return None, ALONE
    temperature = fit_temperature(logits.numpy(), labels.numpy())
    return (None, LIMITS[temperature]) if temperature in LIMITS else (temperature, "")


def _predictions(support: _Embedded, query: _Embedded, temperature: float) -> tuple[Prediction, ...]:
    logits, classes = support.logits(query.features).double(), support.images.classes  # [q, c]
    labels = query.images.labels.tolist() if query.images.classes == classes else [-1] * len(logits)
    return tuple(
        Prediction(
            file,
            classes[best],
            dict(zip(classes, shares, strict=True)),
            nearest,
            classes[label] if label >= 0 else None,
        )
        for file, best, shares, nearest, label in zip(
            query.images.files,
            logits.argmax(1).tolist(),
            (logits / temperature).softmax(1).tolist(),
            support.nearest(query.features),
            labels,
            strict=True,
        )
    )
