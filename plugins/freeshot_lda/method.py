"""The method: class means of averaged views on the pool's average, in a discriminant metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Learner, Method, Needs, Workbench
from freeshot.basics.errors import OptionError
from freeshot.basics.suggestions import unknown_name

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class PoolLda(Method):
    """Average the pool, average each image's features over views, and discount directions of within-class scatter.

    Nothing is synthesised or trained. The head is linear discriminant analysis in closed form, shrunk towards the
    Euclidean distance; with one shot it is the nearest class mean.
    """

    name = "pool-lda"
    citation = "FreeShot; Ilharco et al., Task Arithmetic, ICLR 2023; Friedman, Regularized Discriminant Analysis, 1989"
    needs = frozenset({Needs.POOL})
    scale: float = 1.5
    """Factor on the mean of B·A; 1: the average, 0: the pre-trained network."""
    views: tuple[str, ...] = ("small-mirror",)
    """Views over which features are averaged, besides the image: mirror, small, small-mirror, large, left, right. Each
    costs a pass through the network."""
    shrinkage: float = 60.0
    """Weight of the Euclidean distance in the metric, in images; 0: Euclidean alone."""

    def __post_init__(self) -> None:
        from freeshot_lda.views import VIEWS

        for option in ("scale", "shrinkage"):
            if getattr(self, option) < 0:
                raise OptionError(
                    f"Option '{option}' of '{self.name}' must not be negative, but is {getattr(self, option)}."
                )
        for view in self.views:
            if view not in VIEWS:
                raise OptionError(str(unknown_name("view", view, VIEWS)))

    def prepare(self, bench: Workbench) -> Learner:
        """Average the pool and return the learner that uses the result."""
        from freeshot.engine import mean_as_lora

        features = bench.adapted(mean_as_lora(bench.pool().entries, self.scale)) if self.scale else bench.frozen()
        return PoolLdaLearner(features, self.views, self.shrinkage)


class PoolLdaLearner(Learner):
    """Features of a learner averaged over views, and distances in a discriminant metric."""

    def __init__(self, features: Learner, views: tuple[str, ...], shrinkage: float) -> None:
        self._features, self._views, self._shrinkage = features, views, shrinkage

    def embed(self, images: Tensor) -> Tensor:
        """Map images [b, 3, h, w] in 0…1 to the mean of their views' features: [b, d]."""
        from freeshot_lda.views import viewed

        total = self._features.embed(images)
        for view in self._views:
            total = total + self._features.embed(viewed(images, view))
        return total / (1 + len(self._views))

    def classify(self, support: Tensor, query: Tensor, way: int) -> Tensor:
        """Score queries [e, q, d] by support features [e, n, d], ordered class by class: [e, q, c]."""
        if not self._shrinkage:
            return super().classify(support, query, way)
        from freeshot_lda.metric import discriminant_logits

        return discriminant_logits(support, query, way, self._shrinkage)

    def close(self) -> None:
        """Release the resources of the features."""
        self._features.close()
