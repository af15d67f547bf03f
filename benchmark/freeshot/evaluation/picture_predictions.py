"""Predictions for images of a user, and how many are correct where the true classes are given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from freeshot.stats.intervals import Interval, binomial

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Neighbour:
    """A support image near to a query image."""

    file: Path
    label: str
    distance: float
    """Euclidean, between features."""


@dataclass(frozen=True)
class Prediction:
    """The predicted class of one image."""

    file: Path
    label: str
    confidences: Mapping[str, float]
    """Class → probability or score, which add up to 1; `PicturePredictions.measure` is the name of either."""
    nearest: tuple[Neighbour, ...]
    """The nearest support images, the nearest first."""
    truth: str | None = None
    """The true class, if it is given."""

    @property
    def confidence(self) -> float:
        """Probability or score of the predicted class."""
        return self.confidences[self.label]

    @property
    def correct(self) -> bool | None:
        """Whether the predicted class is the true one; None if that is not given."""
        return None if self.truth is None else self.label == self.truth


@dataclass(frozen=True)
class PicturePredictions:
    """Predictions for the query images, in their order."""

    predictions: tuple[Prediction, ...]
    classes: tuple[str, ...]
    temperature: float | None
    """Divides the distances before the softmax; None if there was nothing to calibrate it on."""
    uncalibrated: str
    """Reason why no temperature could be fitted; '' if one was."""
    skipped: tuple[str, ...] = ()
    """One sentence for each image that could not be read."""

    def __len__(self) -> int:
        return len(self.predictions)

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.predictions)

    @property
    def measure(self) -> Literal["probability", "score"]:
        """What the confidences are: probabilities, or, without a temperature, scores that mean little by themselves."""
        return "score" if self.temperature is None else "probability"

    @property
    def judged(self) -> tuple[Prediction, ...]:
        """The predictions for images whose true class is given."""
        return tuple(p for p in self if p.truth is not None)

    @property
    def accuracy(self) -> Interval | None:
        """Share of correct predictions, in 0…1, with its exact interval; None if no true class is given."""
        judged = self.judged
        return binomial(sum(p.correct is True for p in judged), len(judged)) if judged else None

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Numbers of images by true class and predicted class [c, c]."""
        row_of = {name: row for row, name in enumerate(self.classes)}
        counts = np.zeros((len(self.classes), len(self.classes)), np.int64)
        for p in self.judged:
            counts[row_of[p.truth or ""], row_of[p.label]] += 1
        return counts
