"""SoRA as meta-learner and as method: a meta-LoRA with gated ranks, of which unneeded ones close."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Adapter, Choice, InversionBasedMethod, Model, TaskStream
from freeshot_baselines.meta_learners.prototype_learner import PrototypeLossLearner

if TYPE_CHECKING:
    from torch import Generator
    from torch.nn import Parameter
    from torch.optim import Optimizer


@dataclass(frozen=True)
class Sora(PrototypeLossLearner):
    """Learn a meta-LoRA B·diag(g)·A with an L1 penalty on its gates, which selects the rank of each slot.

    Re-implementation: the paper tunes language models on one task, here many tasks share the LoRA, with nearest class
    means as head. After each Adam step the gates take the penalty's proximal step, soft thresholding at rate × weight;
    the released code closes everything below twice that. In the end gates are folded into B, with closed ranks as
    zeros.
    """

    name = "sora"
    citation = "Ding et al., Sparse Low-rank Adaptation of Pre-trained Language Models, EMNLP 2023"
    paper_url = "https://arxiv.org/abs/2311.11696"
    code_url = "https://github.com/TsinghuaC3I/SoRA"
    penalty: float = 0.1
    """Weight of the L1 penalty on the gates; ours."""

    def fit(self, model: Model, tasks: TaskStream, rng: Generator) -> Adapter:
        """Train as usual, on the gated model."""
        from freeshot_baselines.sora.gates import GatedModel

        return super().fit(GatedModel(model, rng), tasks, rng)

    def optimizer(self, weights: Sequence[Parameter]) -> Optimizer:
        """Return Adam with the proximal step on the last third of the weights, the gates."""
        from freeshot_baselines.sora.gates import ProximalAdam

        optimizer: Optimizer = ProximalAdam(weights, weights[len(weights) * 2 // 3 :], self.lr, self.penalty)
        return optimizer


@dataclass(frozen=True)
class SoraMethod(InversionBasedMethod):
    """Learn one LoRA from surrogates and close its unneeded ranks. Re-implementation.

    The paper tunes on one task and has no pool: only its gates are used here, see `freeshot show sora` of kind
    meta-learner. The inversion is LoRA Recycle's. `freeshot pool build --penalty sora WEIGHT` builds pools of such
    LoRAs.
    """

    name = "sora"
    citation = Sora.citation
    paper_url = Sora.paper_url
    code_url = Sora.code_url
    learner: Choice = Choice("meta-learner", "sora")
    inversion: Choice = Choice("inversion", "lora-inversion")
    strategy: Choice = Choice("strategy", "cls-attention")
    rank: int = 8
    """Rank of the meta-LoRA before any gate closes. paper: 8."""
