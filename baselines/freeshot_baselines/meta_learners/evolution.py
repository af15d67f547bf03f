"""Evolution strategies: learn a LoRA without gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import GradientMetaLearner

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from freeshot import Model, Task


@dataclass(frozen=True)
class Evolution(GradientMetaLearner):
    """Perturb the LoRA randomly in opposite pairs, and move towards the best-ranked perturbations; no gradient.

    Re-implementation of evolution strategies with mirrored sampling and centred ranks as fitness, for one meta-LoRA
    with nearest class means as head; the estimate is passed to Adam. Losses are compared within one task only, so the
    difficulty of a task does not matter.
    """

    name = "evolution"
    citation = "Salimans et al., Evolution Strategies as a Scalable Alternative to Reinforcement Learning, 2017"
    pairs: int = 8
    """Random perturbations per step, each with its opposite; ours."""
    sigma: float = 0.02
    """Standard deviation of the perturbation of each weight; ours."""

    def loss(self, model: Model, task: Task) -> Tensor:
        """Return the loss of nearest-prototype classification."""
        from freeshot_baselines.meta_learners.task_loss import prototype_loss

        return prototype_loss(model, task)

    def pull(self, model: Model, task: Task, rng: Generator) -> Tensor:
        """Write the negative estimated direction of better ranks to `grad`.

        Return the mean loss of all perturbations.
        """
        import torch

        from freeshot_baselines.meta_learners.task_loss import prototype_loss

        with torch.no_grad(), torch.autocast(model.device.type, torch.bfloat16, enabled=self.bf16):
            weights = [weight.detach() for weight in model.lora()]
            changes = [[_normal(weight, rng) for weight in weights] for _ in range(self.pairs)]
            losses = torch.stack(
                [
                    prototype_loss(
                        model, task, [w + sign * self.sigma * c for w, c in zip(weights, change, strict=True)]
                    )
                    for change in changes
                    for sign in (1, -1)
                ]
            )  # [2p]
            ranks = centred_ranks(losses)  # [2p]
            shares = (ranks[::2] - ranks[1::2]) / (2 * self.pairs * self.sigma)  # [p]
            for place, weight in enumerate(model.lora()):
                weight.grad = sum(
                    (s * change[place] for s, change in zip(shares, changes, strict=True)), torch.zeros_like(weight)
                )
        return losses.mean()


def centred_ranks(losses: Tensor) -> Tensor:
    """Replace losses [p] by ranks in −½…½, the smallest loss lowest; equal losses share their mean rank."""
    below = (losses.unsqueeze(1) > losses).sum(1).to(losses)  # [p, p] → [p]
    equal = (losses.unsqueeze(1) == losses).sum(1).to(losses)  # [p, p] → [p]
    return (below + (equal - 1) / 2) / max(len(losses) - 1, 1) - 0.5


def _normal(weight: Tensor, rng: Generator) -> Tensor:
    import torch

    return torch.randn(weight.shape, generator=rng, dtype=weight.dtype).to(weight.device)
