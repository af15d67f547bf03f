"""Base class of learners with another head."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from freeshot import Learner

if TYPE_CHECKING:
    from torch import Tensor


class CustomHeadLearner(Learner):
    """Embed with another learner; subclasses define the head."""

    def __init__(self, features: Learner) -> None:
        self._features = features

    def embed(self, images: Tensor) -> Tensor:
        """Map images [b, 3, h, w] in 0…1 to features [b, d]."""
        return self._features.embed(images)

    @abstractmethod
    def classify(self, support: Tensor, query: Tensor, way: int) -> Tensor:
        """Score queries [e, q, d] by support features [e, n, d], ordered class by class: [e, q, c]."""

    def close(self) -> None:
        """Release the resources of the other learner."""
        self._features.close()


def labels_of(support: Tensor, way: int) -> Tensor:
    """Return the labels [n] of support features [e, n, d], ordered class by class."""
    import torch

    return torch.arange(way, device=support.device).repeat_interleave(support.shape[1] // way)
