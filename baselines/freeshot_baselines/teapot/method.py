"""TEAPOT and its meta-learner: LoRAs' tasks, tasks across LoRAs, and interpolations of two of the latter.

Axes: n support images, q query images, c classes, d features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from freeshot import Adapter, Choice, InversionBasedMethod, Model, Task, TaskStream
from freeshot.basics.errors import OptionError
from freeshot.basics.validators import require_positive
from freeshot_baselines.meta_learners.prototype_learner import PrototypeLossLearner
from freeshot_baselines.training_loop import descend

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class TaskMemory(PrototypeLossLearner):
    """Distil LoRAs into nearest-prototype classification; replay tasks across LoRAs, half of them interpolated.

    Two tasks are interpolated feature by feature, class i with class i: λ·f(x) + (1 − λ)·f(x'), λ ~ Beta(α, α). LoRAs
    are selected by a policy trained by REINFORCE. The released code rewards it with accuracy on *real* validation
    images, which is not data-free; here the reward is accuracy on surrogate classes held out of training. It draws four
    models without replacement; here tasks come one at a time and are accepted or rejected, at most nine in a row.
    """

    name = "task-memory"
    citation = "Hu et al., Task-Distributionally Robust Data-Free Meta-Learning, TPAMI; 2311.14756"
    paper_url = "https://arxiv.org/abs/2311.14756"
    code_url = "https://github.com/Egg-Hu/Trustworthy-DFML"
    blended: float = 0.5
    """Share of tasks across LoRAs that are interpolated with the previous one. code: half."""
    alpha: float = 0.5
    """Both parameters of the Beta distribution of λ. code: 0.5."""
    selection: Literal["learned", "uniform"] = "learned"
    """Select LoRAs by a policy, which needs the method's `held_out`, or uniformly."""
    group: int = 4
    """Tasks between two rewards. code: 4 models."""
    policy_lr: float = 0.1
    """Learning rate of Adam on the policy. code: 0.1."""
    judged_on: int = 4
    """Held-out tasks per reward, used in turn. code: 4 episodes, of real images."""

    def __post_init__(self) -> None:
        require_positive(self, "group", "judged_on", "alpha")
        if self.alpha > 1:
            raise OptionError(f"Option 'alpha' of '{self.name}' must lie in 0…1, 0 excluded, but is {self.alpha}.")

    def fit(self, model: Model, tasks: TaskStream, rng: Generator) -> Adapter:
        """Take an Adam step for each task that the policy accepts; reward it after each group."""
        import torch

        from freeshot_baselines.teapot.policy import Policy

        policy = Policy(self.policy_lr) if self._chooses(tasks) else None
        best = self.checkpoint_selector(model, tasks)
        optimizer = torch.optim.Adam(model.lora(), lr=self.lr)
        before: Task | None = None
        taken: list[Sequence[str]] = []
        rewards = 0
        trusted = (lambda task: policy.accepts(task.sources, rng)) if policy is not None else (lambda task: True)
        for step, task in enumerate(tasks.take_where(self.iterations, trusted)):
            partner = None
            if task.teacher_logits is None:
                blend = float(torch.rand((), generator=rng)) < self.blended
                partner, before = before if blend else None, task
            share = beta(self.alpha, rng) if partner is not None else 1.0
            optimizer.param_groups[0]["lr"] = self.rate(step)
            loss = self.loss(model, task) if partner is None else blended_loss(model, task, partner, share)
            descend(optimizer, loss, f"meta-learner '{self.name}'", step)
            if self.should_validate(step + 1):
                best.update(model, step + 1)
            taken.append(task.sources)
            if policy is not None and len(taken) == self.group:
                policy.reward(taken, self._accuracy(model, tasks.held_out, rewards))
                taken, rewards = [], rewards + 1
        adapter = best.result(model)
        return adapter if policy is None else replace(adapter, facts={**adapter.facts, "trust": policy.trust()})

    def _chooses(self, tasks: TaskStream) -> bool:
        if self.selection == "learned" and not tasks.held_out:
            raise OptionError(
                f"Meta-learner '{self.name}' needs held-out classes, but none are held out. Give the method "
                "a share with -o held_out=0.1, or set selection=uniform."
            )
        return self.selection == "learned"

    def _accuracy(self, model: Model, held_out: Sequence[Task], number: int) -> float:
        """Return the mean nearest-prototype accuracy on the next few held-out tasks."""
        import torch

        from freeshot.ops.prototypes import prototype_logits

        total = 0.0
        for index in range(number * self.judged_on, (number + 1) * self.judged_on):
            task = held_out[index % len(held_out)]
            with torch.no_grad():
                support = model.embed(task.support.images, task.support.kept)  # [n, d]
                query = model.embed(task.query.images, task.query.kept)  # [q, d]
            predicted = prototype_logits(query, support, task.support.labels, task.way).argmax(1)  # [q]
            total += float((predicted == task.query.labels).double().mean())
        return total / self.judged_on


def blended_loss(model: Model, task: Task, other: Task, share: float) -> Tensor:
    """Return the cross-entropy on the interpolation of two tasks of one shape, with weight `share` of the first."""
    from torch.nn.functional import cross_entropy

    from freeshot.engine.embed_task import embed_task
    from freeshot.ops.prototypes import prototype_logits

    pairs = zip(embed_task(model, task), embed_task(model, other), strict=True)
    support, query = (
        share * features + (1 - share) * other_features for features, other_features in pairs
    )  # [n, d], [q, d]
    logits = prototype_logits(query, support, task.support.labels, task.way, "euclidean")  # [q, c]
    return cross_entropy(logits, task.query.labels)


def beta(alpha: float, rng: Generator) -> float:
    """Draw from Beta(α, α) by Jöhnk's rejection method, which needs uniform numbers only; for α ≤ 1."""
    import torch

    while True:
        first, second = (float(u ** (1 / alpha)) for u in torch.rand(2, generator=rng, dtype=torch.float64))
        if 0 < first + second <= 1:
            return first / (first + second)


@dataclass(frozen=True)
class Teapot(InversionBasedMethod):
    """Learn from surrogate tasks and from interpolated ones; learn which LoRAs of the pool to trust.

    Re-implementation for a pool of LoRAs on a frozen ViT, which the paper does not cover. Inversion and meta-learning
    are separate stages, so all LoRAs are inverted and the selection is part of meta-learning.
    """

    name = "teapot"
    citation = TaskMemory.citation
    paper_url = TaskMemory.paper_url
    code_url = TaskMemory.code_url
    learner: Choice = Choice("meta-learner", "task-memory")
    inversion: Choice = Choice("inversion", "cmi")
    strategy: Choice = Choice("strategy", "none")
    """Efficiency strategy that drops tokens."""
    per_class: int = 20
    """Surrogate images per class of each LoRA; ours."""
    held_out: float = 0.1
    """Share of the surrogate classes held out of training, on which the policy is rewarded."""
