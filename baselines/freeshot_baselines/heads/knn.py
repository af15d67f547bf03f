"""k nearest neighbours in the space of a frozen network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from freeshot import Choice, Method
from freeshot.basics.validators import require_positive
from freeshot_baselines.base_method import no_base
from freeshot_baselines.heads.custom_head import CustomHeadLearner, labels_of

if TYPE_CHECKING:
    from torch import Tensor

    from freeshot import Learner, Workbench


@dataclass(frozen=True)
class Knn(Method):
    """Let the k support images nearest to a query vote; a tie goes to the class of the nearest of them.

    With one shot only the nearest votes, for any k, because every class has a single image.
    """

    name = "knn"
    citation = "Doerrich et al., Integrating kNN with Foundation Models for Adaptable … Image Classification, ISBI 2024"
    k: int = 3
    """Number of neighbours that vote; at most the images per class."""
    metric: Literal["cosine", "euclidean"] = "cosine"
    """Distance of features."""
    under: Choice = no_base()
    """Base method whose meta-LoRA is used, such as lora-recycle; by default the pre-trained network."""

    def __post_init__(self) -> None:
        require_positive(self, "k")

    def prepare(self, bench: Workbench) -> Learner:
        """Return the learner of frozen features."""
        return KnnLearner(bench.on(self.under).frozen(), self.k, self.metric)


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
