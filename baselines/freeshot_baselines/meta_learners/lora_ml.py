"""LoRA-ML: a meta-LoRA that is optimal after every task has added its own LoRA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Model, Task
from freeshot_baselines.meta_learners.prototype_learner import PrototypeLossLearner

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class LoraMl(PrototypeLossLearner):
    """Learn the common part of tasks while each may add its own LoRA: min over W of Σ min over A, B of L(W + B·A).

    Re-implementation: the paper retrains all base weights; here W moves within the meta-LoRA only, on a frozen ViT. For
    each task a new private LoRA takes a few Adam steps with the meta-LoRA fixed, then the meta-LoRA takes a step with
    the private one fixed: at the inner minimum that is the exact gradient (Danskin). Private LoRAs are discarded; at
    test the meta-LoRA is used with nearest class means.
    """

    name = "lora-ml"
    citation = "Block et al., Provable Meta-Learning with Low-Rank Adaptations, NeurIPS 2025 (2410.22264)"
    inner_steps: int = 3
    """Steps of a task's private LoRA; ours, the paper's were not available."""
    inner_lr: float = 1e-3
    """Their learning rate, of Adam; ours."""
    inner_rank: int = 1
    """Rank of a task's private LoRA; ours. A smaller rank leaves more to the meta-LoRA."""

    def compute_gradients(self, model: Model, task: Task, rng: Generator) -> Tensor:
        """Fit the task's private LoRA, then write the gradient of the meta-LoRA."""
        from freeshot_baselines.meta_learners.lora_factors import joined

        private = self.private(model, task, rng)
        for weight in model.lora():
            weight.grad = None
        loss = self.loss_with(model, task, joined(model.lora(), private))
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def private(self, model: Model, task: Task, rng: Generator) -> list[Tensor]:
        """Return a task's private LoRA after its steps, as constants."""
        import torch

        from freeshot_baselines.meta_learners.lora_factors import fresh_factors, joined

        shared = [weight.detach() for weight in model.lora()]
        private = [factor.requires_grad_() for factor in fresh_factors(shared, self.inner_rank, rng)]
        inner = torch.optim.Adam(private, lr=self.inner_lr)
        for _ in range(self.inner_steps):
            loss = self.loss_with(model, task, joined(shared, private))
            inner.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            inner.step()
        return [factor.detach() for factor in private]
