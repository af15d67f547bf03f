"""Reference Trustable Decoding, as a soft vote of the whole support set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Choice, Method
from freeshot.basics.validators import require_positive
from freeshot_baselines.base_method import no_base
from freeshot_baselines.heads.custom_head import CustomHeadLearner, labels_of

if TYPE_CHECKING:
    from torch import Tensor

    from freeshot import Learner, Workbench


@dataclass(frozen=True)
class Rtd(Method):
    """Let the k nearest support images vote with weights exp(−d/T), in each slice of the features, and average slices.

    Re-implementation for images of a method for language models. Its temperature depends on the scale of features, so
    here it is in units of the mean distance between support images.
    """

    name = "rtd"
    citation = "Shi et al., Reference Trustable Decoding, NeurIPS 2024"
    k: int = 32
    """Maximal number of neighbours that vote."""
    temperature: float = 0.1
    """T, in units of the mean distance between two support images of an episode."""
    slices: int = 1
    """Number of slices of equal width into which features are split ('multi-head')."""
    under: Choice = no_base()
    """Base method whose meta-LoRA is used, such as lora-recycle; by default the pre-trained network."""

    def __post_init__(self) -> None:
        require_positive(self, "k", "temperature", "slices")

    def prepare(self, bench: Workbench) -> Learner:
        """Return the learner of frozen features."""
        return RtdLearner(bench.on(self.under).frozen(), self.k, self.temperature, self.slices)


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
