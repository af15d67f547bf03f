"""Classify images by the nearest class mean of a few labelled ones: one forward pass each, no tuning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from freeshot.evaluation.scoring import embed
from freeshot.ops.prototypes import prototype_logits

if TYPE_CHECKING:
    from pathlib import Path

    from freeshot.contracts.method import Learner
    from freeshot.data.images import FileImages


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
    shown, asked = (embed(learner, pictures, range(len(pictures)), device) for pictures in (support, query))
    labels = torch.from_numpy(support.labels)
    parts = [  # [q, c, d] differences of many images and classes need too much memory
        prototype_logits(part, shown, labels, len(support.classes), distance="euclidean")
        for part in torch.split(asked, AT_ONCE)
    ]
    logits = torch.cat(parts)  # [q, c]
    return tuple(
        _prediction(file, dict(zip(support.classes, row, strict=True)))
        for file, row in zip(query.files, logits.softmax(1).tolist(), strict=True)
    )


def _prediction(file: Path, probabilities: dict[str, float]) -> Prediction:
    label = max(probabilities, key=lambda name: probabilities[name])
    return Prediction(file, label, probabilities[label], probabilities)
