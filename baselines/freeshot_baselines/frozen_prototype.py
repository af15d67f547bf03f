"""The nearest class mean under the unchanged backbone: the baseline for a pool of LoRAs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from freeshot import Choice, Learner, Method, Workbench
from freeshot.basics.validators import require_positive
from freeshot_baselines.base_method import no_base
from freeshot_baselines.heads.custom_head import CustomHeadLearner

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class FrozenPrototype(Method):
    """Classify by the nearest class mean of frozen features; nothing is learned."""

    name = "frozen-prototype"
    citation = "Snell et al., Prototypical Networks for Few-shot Learning, NeurIPS 2017 ('NN' in LoRA Recycle's tables)"
    distance: Literal["euclidean", "cosine"] = "euclidean"
    """Score of a class mean: negative distance, or cosine, which ignores the norms of features."""
    temperature: float = 1.0
    """Divisor of the scores before the softmax: it changes calibration, never the prediction."""
    base: Choice = no_base()
    """Base method whose meta-LoRA is used, such as lora-recycle; by default the pre-trained network."""

    def __post_init__(self) -> None:
        require_positive(self, "temperature")

    def prepare(self, bench: Workbench) -> Learner:
        """Return the learner of frozen features."""
        features = bench.with_base(self.base).frozen()
        if (self.distance, self.temperature) == ("euclidean", 1.0):
            return features
        return PrototypeLearner(features, self.distance, self.temperature)


class PrototypeLearner(CustomHeadLearner):
    """Features of a learner, classified by class means with a given distance and temperature."""

    def __init__(self, features: Learner, distance: Literal["euclidean", "cosine"], temperature: float) -> None:
        super().__init__(features)
        self._distance, self._temperature = distance, temperature

    def classify(self, support: Tensor, query: Tensor, way: int) -> Tensor:
        """Score each class by its mean."""
        from freeshot_baselines.adaptation.heads import cosine_logits, nearest_mean

        if self._distance == "cosine":
            return cosine_logits(query, support, way, 1 / self._temperature)
        return nearest_mean(query, support, way) / self._temperature
