"""Votes of the nearest support images: k nearest neighbours, and Reference Trustable Decoding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from freeshot import Choice, Learner, Method, Workbench
from freeshot.basics.validators import require_positive
from freeshot_baselines.base_method import no_base
from freeshot_baselines.heads.custom_head import CustomHeadLearner, labels_of

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Knn(Method):
    """Let the k support images nearest to a query vote; a tie goes to the class of the nearest of them.

    With one shot only the nearest votes, for any k, because every class has a single image.
    """

    name = "knn"
    citation = "Doerrich et al., Integrating kNN with Foundation Models for Adaptable … Image Classification, ISBI 2024"
    paper_url = "https://arxiv.org/abs/2402.12500"
    k: int = 3
    """Number of neighbours that vote; at most the images per class."""
    metric: Literal["cosine", "euclidean"] = "cosine"
    """Distance of features."""
    base: Choice = no_base()
    """Base method whose meta-LoRA is used, such as lora-recycle; by default the pre-trained network."""

    def __post_init__(self) -> None:
        require_positive(self, "k")

    def prepare(self, bench: Workbench) -> Learner:
        """Return the learner of frozen features."""
        return KnnLearner(bench.with_base(self.base).frozen(), self.k, self.metric)


class KnnLearner(CustomHeadLearner):
    """Features of a learner, and a vote among neighbours."""

    def __init__(self, features: Learner, k: int, metric: str) -> None:
        super().__init__(features)
        self._k, self._metric = k, metric

    def classify(self, support: Tensor, query: Tensor, way: int) -> Tensor:
        """Score each class by the log of its votes, with ties resolved by the nearest image."""
        import torch
        from torch.nn.functional import normalize, one_hot

        if self._metric == "cosine":
            support, query = normalize(support, dim=-1), normalize(query, dim=-1)
        distances = torch.cdist(query, support)  # [e, q, n]
        near = distances.topk(min(self._k, support.shape[1] // way), largest=False)
        votes = one_hot(labels_of(support, way)[near.indices], way).sum(2)  # [e, q, c]
        nearest = distances.reshape(*distances.shape[:2], way, -1).amin(3)  # [e, q, c]
        scores: Tensor = (votes + 0.5 / (1 + nearest)).log()  # the second term is less than a vote
        return scores


@dataclass(frozen=True)
class Rtd(Method):
    """Let the k nearest support images vote with weights exp(−d/T), in each slice of the features, and average slices.

    Re-implementation for images of a method for language models. Its temperature depends on the scale of features, so
    here it is in units of the mean distance between support images.
    """

    name = "rtd"
    citation = "Shi et al., Reference Trustable Decoding, NeurIPS 2024"
    paper_url = "https://arxiv.org/abs/2409.20181"
    code_url = "https://github.com/ShiLuohe/ReferenceTrustableDecoding"
    k: int = 32
    """Maximal number of neighbours that vote."""
    temperature: float = 0.1
    """T, in units of the mean distance between two support images of an episode."""
    slices: int = 1
    """Number of slices of equal width into which features are split ('multi-head')."""
    base: Choice = no_base()
    """Base method whose meta-LoRA is used, such as lora-recycle; by default the pre-trained network."""

    def __post_init__(self) -> None:
        require_positive(self, "k", "temperature", "slices")

    def prepare(self, bench: Workbench) -> Learner:
        """Return the learner of frozen features."""
        return RtdLearner(bench.with_base(self.base).frozen(), self.k, self.temperature, self.slices)


class RtdLearner(CustomHeadLearner):
    """Features of a learner, and a vote by distance."""

    def __init__(self, features: Learner, k: int, temperature: float, slices: int) -> None:
        super().__init__(features)
        self._k, self._temperature, self._slices = k, temperature, slices

    def classify(self, support: Tensor, query: Tensor, way: int) -> Tensor:
        """Score each class by the log of its share of the weights."""
        import torch
        from torch.nn.functional import one_hot

        parts = list(zip(support.chunk(self._slices, -1), query.chunk(self._slices, -1), strict=True))
        distances = torch.stack([torch.cdist(q, s) for s, q in parts])  # [slices, e, q, n]
        among = torch.stack([torch.cdist(s, s) for s, _ in parts])  # [slices, e, n, n]
        near = distances.topk(min(self._k, support.shape[1]), largest=False)
        # support set only, so that scores do not depend on other queries
        scale = self._temperature * _off_diagonal_mean(among)
        weights = (-near.values / scale).softmax(-1)  # [slices, e, q, k]
        member = one_hot(labels_of(support, way)[near.indices], way).to(weights)  # [slices, e, q, k, c]
        shares = (weights.unsqueeze(-1) * member).sum(3).mean(0)  # [e, q, c]
        return (shares + 1e-12).log()


def _off_diagonal_mean(distances: Tensor) -> Tensor:
    """Average the distances [slices, e, n, n] between different images: [slices, e, 1, 1]."""
    import torch

    count = distances.shape[-1]
    others = distances * (1 - torch.eye(count, dtype=distances.dtype, device=distances.device))
    return others.sum((2, 3), keepdim=True) / max(1, count * (count - 1))
