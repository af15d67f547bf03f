"""LoRA-the-Explorer: many LoRAs learn in parallel, and their mean is merged into the meta-LoRA periodically."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Adapter, Choice, InversionBasedMethod, Model, TaskStream
from freeshot.basics.validators import require_positive
from freeshot_baselines.meta_learners.prototype_learner import PrototypeLossLearner
from freeshot_baselines.training_loop import descend

if TYPE_CHECKING:
    from torch import Generator, Tensor
    from torch.nn import Parameter


@dataclass(frozen=True)
class Lte(PrototypeLossLearner):
    """Train parallel LoRA heads on different tasks, and merge their mean into the meta-LoRA every few steps.

    Re-implementation as a meta-optimiser: the paper trains a network's full weights from scratch on shards of data;
    here the heads are merged into a LoRA on a frozen ViT, truncated to its rank by SVD at each merge, and shards are
    tasks, assigned to the heads in turn. Heads use the meta-LoRA as of the last merge and do not depend on each other,
    so that each could run on its own machine. After a merge their B is zero again; A and the optimiser's moments are
    kept (ours: the paper's choice was not available).
    """

    name = "lte"
    citation = "Huh et al., Training Neural Networks from Scratch with Parallel Low-Rank Adapters, 2024 (2402.16828)"
    paper_url = "https://arxiv.org/abs/2402.16828"
    code_url = "https://github.com/minyoungg/LTE"
    heads: int = 32
    """Number of parallel LoRAs. code: 32."""
    head_rank: int = 32
    """Their rank. code: 32."""
    merge_every: int = 10
    """Steps that each head takes between merges; ours."""
    scale: float = 1.0
    """s, the scale of a head's product in its own steps and in the merge; ours. code: α = 4,096 over the rank."""

    def __post_init__(self) -> None:
        require_positive(self, "heads")

    def fit(self, model: Model, tasks: TaskStream, rng: Generator) -> Adapter:
        """Assign each task to the next head, and merge when every head has taken its steps."""
        import torch

        from freeshot.ops.optimizer_state import restore, snapshot
        from freeshot_baselines.meta_learners.lora_factors import joined

        best = self.checkpoint_selector(model, tasks)
        heads = [fresh_head(model.lora(), self.head_rank, rng) for _ in range(self.heads)]
        optimizer = torch.optim.Adam([weight for head in heads for weight in head], lr=self.lr)
        state = [*model.lora(), *(weight for head in heads for weight in head), *best.state]
        start = restore(tasks.checkpoint.load(), state, optimizer)
        for step, task in enumerate(tasks.take(self.iterations, start), start):
            optimizer.param_groups[0]["lr"] = self.rate(step)
            shared = [weight.detach() for weight in model.lora()]  # fixed until the next merge
            lora = joined(shared, scaled(heads[step % self.heads], self.scale))
            # only this head gets a gradient, so that Adam leaves the others as they are
            descend(optimizer, self.loss_with(model, task, lora), "meta-learner 'lte'", step)
            if (step + 1) % (self.heads * self.merge_every) == 0:
                merge(model, heads, self.scale)
            if self.should_validate(step + 1):
                best.update(model, step + 1)
            tasks.checkpoint.offer(lambda done=step + 1: snapshot(done, state, optimizer))  # type: ignore[misc]
        merge(model, heads, self.scale)
        if self.validate_every:
            best.update(model, self.iterations)
        return best.result(model)


def fresh_head(like: Sequence[Tensor], rank: int, rng: Generator) -> list[Parameter]:
    """Initialise a head: A with orthonormal rows (or columns, if the rank exceeds the layer's width), B zero."""
    import torch
    from torch.nn import Parameter

    half = len(like) // 2
    head = []
    for a in like[:half]:
        normal = torch.randn(max(rank, a.shape[2]), min(rank, a.shape[2]), generator=rng, dtype=torch.float64)
        basis, _ = torch.linalg.qr(normal)  # orthonormal columns
        head.append(Parameter((basis if rank > a.shape[2] else basis.mT).contiguous().unsqueeze(0).to(a)))  # [1, r, i]
    return head + [Parameter(b.new_zeros(1, b.shape[1], rank)) for b in like[half:]]


def scaled(lora: Sequence[Tensor], factor: float) -> list[Tensor]:
    """Multiply a LoRA's products by a factor."""
    half = len(lora) // 2
    return [*lora[:half], *(factor * b for b in lora[half:])]


def merge(model: Model, heads: Sequence[Sequence[Tensor]], scale: float) -> None:
    """Add s times the heads' mean product to the meta-LoRA, truncated to its rank, and set the heads' B to zero."""
    import torch

    from freeshot_baselines.meta_learners.lora_factors import compressed, joined

    half = len(heads[0]) // 2
    if not any(bool(b.any()) for head in heads for b in head[half:]):
        return  # nothing was learned since the last merge
    with torch.no_grad():
        whole = joined(model.lora(), *(scaled(head, scale / len(heads)) for head in heads))
        rank = model.lora()[0].shape[1]
        for weight, merged in zip(model.lora(), compressed(whole, rank), strict=True):
            weight.copy_(merged)
        for head in heads:
            for b in head[half:]:
                b.zero_()


@dataclass(frozen=True)
class LteMethod(InversionBasedMethod):
    """Learn from surrogates with parallel LoRA heads that are merged periodically. Re-implementation.

    The paper is about optimisation, not about pools: only its meta-learner is used here, see `freeshot show lte` of
    kind meta-learner. The inversion is LoRA Recycle's.
    """

    name = "lte"
    citation = Lte.citation
    paper_url = Lte.paper_url
    code_url = Lte.code_url
    learner: Choice = Choice("meta-learner", "lte")
    inversion: Choice = Choice("inversion", "lora-inversion")
    strategy: Choice = Choice("strategy", "cls-attention")
