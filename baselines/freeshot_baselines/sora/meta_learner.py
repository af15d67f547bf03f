"""SoRA: a meta-LoRA with gated ranks, of which unneeded ones close."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import GradientMetaLearner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Generator, Tensor
    from torch.nn import Parameter
    from torch.optim import Optimizer

    from freeshot import Adapter, Model, Task, TaskStream


@dataclass(frozen=True)
class Sora(GradientMetaLearner):
    """Learn a meta-LoRA B·diag(g)·A with an L1 penalty on its gates, which selects the rank of each slot.

    Re-implementation: the paper tunes language models on one task, here many tasks share the LoRA, with nearest class
    means as head. After each Adam step the gates take the penalty's proximal step, soft thresholding at rate × weight;
    the released code closes everything below twice that. In the end gates are folded into B, with closed ranks as
    zeros.
    """

    name = "sora"
    citation = "Ding et al., Sparse Low-rank Adaptation of Pre-trained Language Models, EMNLP 2023"
    penalty: float = 0.1
    """Weight of the L1 penalty on the gates; ours."""

    def loss(self, model: Model, task: Task) -> Tensor:
        """Return the loss of nearest-prototype classification; the optimiser applies the penalty."""
        from freeshot_baselines.meta_learners.task_loss import prototype_loss

        return prototype_loss(model, task)

    def fit(self, model: Model, tasks: TaskStream, rng: Generator) -> Adapter:
        """Train as usual, on the gated model."""
        from freeshot_baselines.sora.gates import GatedModel

        return super().fit(GatedModel(model, rng), tasks, rng)

    def optimizer(self, weights: Sequence[Parameter]) -> Optimizer:
        """Return Adam with the proximal step on the last third of the weights, the gates."""
        from freeshot_baselines.sora.gates import ProximalAdam

        optimizer: Optimizer = ProximalAdam(weights, weights[len(weights) * 2 // 3 :], self.lr, self.penalty)
        return optimizer
