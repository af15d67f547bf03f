"""Evolution strategies: learn a LoRA without gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Model, Task
from freeshot_baselines.meta_learners.prototype_learner import PrototypeLossLearner

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class Evolution(PrototypeLossLearner):
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

    def compute_gradients(self, model: Model, task: Task, rng: Generator) -> Tensor:
        """Write the negative estimated direction of better ranks to `grad`.

        Return the mean loss of all perturbations.
        """
        import torch

        with torch.no_grad():
            weights = [weight.detach() for weight in model.lora()]
            noise = [
                [torch.randn(w.shape, generator=rng, dtype=w.dtype).to(w.device) for w in weights]
                for _ in range(self.pairs)
            ]
            perturbed = (
                [w + sign * self.sigma * n for w, n in zip(weights, pair, strict=True)]
                for pair in noise
                for sign in (1, -1)
            )
            losses = torch.stack([self.loss_with(model, task, lora) for lora in perturbed])  # [2p]
            ranks = centred_ranks(losses)  # [2p]
            shares = (ranks[::2] - ranks[1::2]) / (2 * self.pairs * self.sigma)  # [p]
            for weight, *draws in zip(model.lora(), *noise, strict=True):
                weight.grad = sum((s * n for s, n in zip(shares, draws, strict=True)), torch.zeros_like(weight))
        return losses.mean()


def centred_ranks(losses: Tensor) -> Tensor:
    """Replace losses [p] by ranks in −½…½, the smallest loss lowest; equal losses share their mean rank."""
    below = (losses.unsqueeze(1) > losses).sum(1).to(losses)  # [p, p] → [p]
    equal = (losses.unsqueeze(1) == losses).sum(1).to(losses)  # [p, p] → [p]
    return (below + (equal - 1) / 2) / max(len(losses) - 1, 1) - 0.5
