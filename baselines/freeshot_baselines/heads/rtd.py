"""Reference Trustable Decoding, as a soft vote of the whole support set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Method
from freeshot_baselines.heads.headed import Headed, labels_of

if TYPE_CHECKING:
    from torch import Tensor

    from freeshot import Learner, Workbench


@dataclass(frozen=True)
class Rtd(Method):
    """Let the k nearest support images vote with weights exp(−d/T), in each slice of the features, and average slices.

    Re-implementation of a method for language models on images. Its temperature depends on the scale of features, so
    it is in units of the mean distance between queries and support here.
    """

    name = "rtd"
    citation = "Shi et al., Reference Trustable Decoding, NeurIPS 2024"
    k: int = 32
    """Neighbours that vote, at most."""
    temperature: float = 0.1
    """T, in units of the mean distance between the queries and the support images of an episode."""
    slices: int = 1
    """Parts of equal width into which features are cut ('multi-head')."""

    def prepare(self, bench: Workbench) -> Learner:
        """Take the backbone as it is."""
        return RtdLearner(bench.frozen(), self.k, self.temperature, self.slices)


class RtdLearner(Headed):
    """Features of a learner, and a vote by distance."""

    def __init__(self, features: Learner, k: int, temperature: float, slices: int) -> None:
        super().__init__(features)
        self._k, self._temperature, self._slices = k, temperature, slices

    def classify(self, support: Tensor, query: Tensor, way: int) -> Tensor:
        """Score each class by the log of its share of the weights."""
        import torch
        from torch.nn.functional import one_hot

        parts = zip(support.chunk(self._slices, -1), query.chunk(self._slices, -1), strict=True)
        distances = torch.stack([torch.cdist(q, s) for s, q in parts])  # [slices, e, q, n]
        near = distances.topk(min(self._k, support.shape[1]), largest=False)
        scale = self._temperature * distances.mean((2, 3), keepdim=True)
        weights = (-near.values / scale).softmax(-1)  # [slices, e, q, k]
        member = one_hot(labels_of(support, way)[near.indices], way).to(weights)  # [slices, e, q, k, c]
        shares = (weights.unsqueeze(-1) * member).sum(3).mean(0)  # [e, q, c]
        return (shares + 1e-12).log()
