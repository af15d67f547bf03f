"""A learner's features under another head."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from freeshot import Learner

if TYPE_CHECKING:
    from torch import Tensor


class Headed(Learner):
    """Embed as another learner does; how queries are scored is for subclasses to say."""

    def __init__(self, features: Learner) -> None:
        self._features = features

    def embed(self, images: Tensor) -> Tensor:
        """Map images [b, 3, h, w] in 0…1 to features [b, d]."""
        return self._features.embed(images)

    @abstractmethod
    def classify(self, support: Tensor, query: Tensor, way: int) -> Tensor:
        """Score queries [e, q, d] by support features [e, n, d], ordered class by class: [e, q, c]."""

    def close(self) -> None:
        """Give back what the other learner holds."""
        self._features.close()


def labels_of(support: Tensor, way: int) -> Tensor:
    """Return the labels [n] of support features [e, n, d] that are ordered class by class."""
    import torch

    return torch.arange(way, device=support.device).repeat_interleave(support.shape[1] // way)
