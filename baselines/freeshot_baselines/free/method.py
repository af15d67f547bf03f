"""FREE and its meta-learner BELL: learn from LoRAs in sequence and move part of the way, which aligns gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Adapter, Choice, InversionBasedMethod, MetaLearner, Model, Task, TaskStream
from freeshot.basics.validators import require_positive
from freeshot_baselines.training_loop import descend

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class Bell(MetaLearner):
    """Distil a group of LoRAs in sequence, move towards the result, and replay tasks mixed across LoRAs.

    The released code passes (θ − θ') × 67 to Adam as a gradient; here θ moves by a share of the difference, Reptile's
    own step θ + ρ(θ' − θ). Its distillation loss is not a KL divergence (the logarithm is missing); here it is.
    """

    name = "bell"
    citation = "Wei et al., FREE, CVPR 2024; Nichol et al., On First-Order Meta-Learning Algorithms, 2018"
    paper_url = "https://arxiv.org/abs/2405.00984"
    code_url = "https://github.com/WalkerWorldPeace/FREE"
    iterations: int = 4000
    """Number of tasks drawn, from single LoRAs and across LoRAs together."""
    group: int = 4
    """LoRA tasks per sequence. code: 4."""
    lr: float = 1e-3
    """Learning rate of Adam within a sequence, and in replay. code: 1e-3."""
    pace: float = 0.5
    """Share of the difference by which θ moves towards the end of a sequence."""
    passes: int = 1
    """Steps on each LoRA task. code: 1."""

    def __post_init__(self) -> None:
        require_positive(self, "group")

    def fit(self, model: Model, tasks: TaskStream, rng: Generator) -> Adapter:
        """Run a sequence for each group of LoRA tasks; replay each task across LoRAs with one step."""
        import torch

        replay = torch.optim.Adam(model.lora(), lr=self.lr)
        waiting: list[Task] = []
        for number, task in enumerate(tasks.take(self.iterations)):
            if task.teacher_logits is None:
                descend(replay, student_loss(model, task), "meta-learner 'bell'", number)
                continue
            waiting.append(task)
            if len(waiting) == self.group:
                self._walk(model, waiting, number)
                waiting = []
        return model.snapshot()

    def _walk(self, model: Model, group: Sequence[Task], number: int) -> None:
        """Take steps on a group's tasks, then move back part of the way."""
        import torch

        start = [weight.detach().clone() for weight in model.lora()]
        optimizer = torch.optim.Adam(model.lora(), lr=self.lr)
        for task in group:
            for _ in range(self.passes):
                descend(optimizer, student_loss(model, task), "meta-learner 'bell'", number)
        with torch.no_grad():
            for weight, origin in zip(model.lora(), start, strict=True):
                weight.copy_(torch.lerp(origin, weight, self.pace))


def student_loss(model: Model, task: Task) -> Tensor:
    """Return KL(LoRA ‖ student) on the query, or cross-entropy on a task across LoRAs.

    The student classifies by distance to the class means. Support and query are embedded separately.
    """
    from freeshot.ops.prototypes import prototype_logits
    from freeshot_baselines.meta_learners.task_loss import answer_loss

    support = model.embed(task.support.images, task.support.kept)  # [n, d]
    query = model.embed(task.query.images, task.query.kept)  # [q, d]
    return answer_loss(prototype_logits(query, support, task.support.labels, task.way, "euclidean"), task)


@dataclass(frozen=True)
class Free(InversionBasedMethod):
    """Invert LoRAs by a meta-generator and learn from them in sequence. Re-implementation.

    Built from the paper's equations for a pool of LoRAs on a frozen ViT, which the paper does not cover: the
    meta-learner trains one LoRA and classifies by nearest prototype; components can be exchanged with LoRA Recycle's.
    Omitted are the adversarial term, and second-order MAML as replay: a task across LoRAs is one plain step.
    """

    name = "free"
    citation = "Wei et al., FREE: Faster and Better Data-Free Meta-Learning, CVPR 2024"
    paper_url = Bell.paper_url
    code_url = Bell.code_url
    learner: Choice = Choice("meta-learner", "bell")
    inversion: Choice = Choice("inversion", "meta-generator")
    strategy: Choice = Choice("strategy", "none")
    """Efficiency strategy that drops tokens."""
    per_class: int = 20
    """Surrogate images per class of each LoRA. code: 20."""

    @classmethod
    def presets(cls, image_size: int) -> Mapping[str, Mapping[str, object]]:  # noqa: ARG003
        """Return 'quick' and 'good': a shorter search for the generator, and fewer tasks."""
        shared = {"per_class": 8, "targets": ("q", "k", "v", "proj", "fc1", "fc2"), "learner.lr": 1e-3}
        return {
            "quick": {**shared, "inversion.outer": 20, "learner.iterations": 100},
            "good": {**shared, "inversion.outer": 100, "learner.iterations": 400},
        }
