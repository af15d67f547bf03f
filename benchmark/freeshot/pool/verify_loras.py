"""Measure whether a LoRA and its head work on a backbone: their accuracy on labelled pictures of its classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.stats import binomtest

from freeshot.contracts.pool import LoraEntry
from freeshot.data.images import images_of
from freeshot.engine.lora.bank import LoraBank
from freeshot.engine.vit.backbone import Backbone
from freeshot.engine.vit.forward import forward

FACT = "own_pictures"
"""Where a LoRA's card stores the measurement."""
PER_CLASS = 20
"""Pictures of each class that are classified, at most."""
LEVEL = 0.05
"""Significance level at which an accuracy is above chance."""
AT_ONCE = 32


@dataclass(frozen=True)
class Verification:
    """The accuracy of a LoRA with its head on the same number of pictures of each class."""

    correct: int
    pictures: int
    classes: int
    """Number of its classes that have pictures."""

    @property
    def accuracy(self) -> float:
        """Share of the pictures that are classified correctly."""
        return self.correct / self.pictures

    @property
    def chance(self) -> float:
        """Accuracy of guessing, as no class has more pictures than another."""
        return 1 / self.classes

    @property
    def is_above_chance(self) -> bool:
        """Whether guessing would reach this accuracy in fewer than 5 % of the cases."""
        return self._p_value(self.correct) < LEVEL

    @property
    def is_conclusive(self) -> bool:
        """Whether there are enough pictures for a perfect accuracy to be above chance."""
        return self._p_value(self.pictures) < LEVEL

    @property
    def facts(self) -> dict[str, float]:
        """The measurement, as stored in a card."""
        return {**asdict(self), "accuracy": round(self.accuracy, 4)}

    def _p_value(self, correct: int) -> float:
        return float(binomtest(correct, self.pictures, self.chance, alternative="greater").pvalue)


def verify_lora(entry: LoraEntry, backbone: Backbone, pictures: Mapping[str, Sequence[Path]]) -> Verification | None:
    """Classify pictures of a LoRA's own classes with its head; None if fewer than two of them have pictures.

    `pictures` are files by class name. All outputs of the head compete, those without pictures as well.
    """
    outputs = [index for index, name in enumerate(entry.classes) if pictures.get(name)]
    names = [entry.classes[index] for index in outputs]
    if len(names) < 2:
        return None
    count = min(PER_CLASS, *(len(pictures[name]) for name in names))
    images = images_of({name: _spread(pictures[name], count) for name in names}, names, None).at(backbone.image_size)
    like = torch.empty(0, device=backbone.device)
    bank = LoraBank.of([entry], like).to(backbone.device)
    weight, bias = entry.head_weight.to(like), entry.head_bias.to(like)
    correct = 0
    with torch.inference_mode():
        for start in range(0, len(images), AT_ONCE):
            indices = range(start, min(start + AT_ONCE, len(images)))
            pixels = images.read(indices).to(backbone.device).float() / 255  # [b, 3, h, w]
            logits = forward(backbone, pixels, bank).features @ weight.mT + bias  # [b, c]
            truth = torch.tensor([outputs[images.labels[index]] for index in indices])
            correct += int((logits.argmax(1).cpu() == truth).sum())
    return Verification(correct, len(images), len(names))


def _spread(files: Sequence[Path], count: int) -> list[Path]:
    """Choose `count` of the files at even distances, as neighbours in a folder are often alike."""
    return [files[index] for index in np.linspace(0, len(files) - 1, count).round().astype(int)]
