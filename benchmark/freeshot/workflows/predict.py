"""Classify images by the nearest class mean of a few labelled ones: one forward pass each, no tuning."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from freeshot.contracts.method import Learner
from freeshot.data.images import FileImages
from freeshot.evaluation.scoring import embed
from freeshot.ops.prototypes import prototype_logits

AT_ONCE = 256
"""Images compared with all classes at a time."""


@dataclass(frozen=True)
class Prediction:
    """The predicted class of one image."""

    file: Path
    label: str
    probability: float
    """Softmax over negative Euclidean distances to the class means, as in the method's training; uncalibrated."""
    probabilities: dict[str, float]


def predict(learner: Learner, support: FileImages, query: FileImages, device: torch.device) -> tuple[Prediction, ...]:
    """Return a prediction for each query image, in their order."""
    support_features, query_features = (embed(learner, i, range(len(i)), device) for i in (support, query))  # [n, d]
    labels = torch.from_numpy(support.labels)
    logits = torch.cat(
        [  # in blocks, because the [q, c, d] differences of many images and classes need much memory
            prototype_logits(block, support_features, labels, len(support.classes), distance="euclidean")
            for block in torch.split(query_features, AT_ONCE)
        ]
    )  # [q, c]
    predictions = []
    for file, row in zip(query.files, logits.softmax(1).tolist(), strict=True):
        probability, label = max(zip(row, support.classes, strict=True), key=lambda pair: pair[0])
        predictions.append(Prediction(file, label, probability, dict(zip(support.classes, row, strict=True))))
    return tuple(predictions)
