"""A new meta-learner, which trains one LoRA over many tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import GradientMetaLearner, MetaLearner, Model, Task, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Mine(GradientMetaLearner):
    """Pull each query towards the mean of its own class."""

    name = "mine"
    scale: float = 0.1
    """Factor on squared distances, the inverse temperature of the softmax."""

    # To train it: return {"scale": self.scale} from extra_parameters(self, model, rng), use model.extra["scale"] below.

    def loss(self, model: Model, task: Task) -> Tensor:
        """Return the cross-entropy of the nearest class mean; a scalar."""
        from torch.nn.functional import cross_entropy  # here, so that listing plugins stays fast

        from freeshot.ops.prototypes import prototype_logits

        support = model.embed(task.support.images, task.support.kept)  # [n, d]
        query = model.embed(task.query.images, task.query.kept)  # [q, d]
        logits = prototype_logits(query, support, task.support.labels, task.way, scale=self.scale)  # [q, c]
        return cross_entropy(logits, task.query.labels)


@hookimpl
def freeshot_meta_learners() -> list[type[MetaLearner]]:
    """Register it: `-o learner=mine`."""
    return [Mine]
