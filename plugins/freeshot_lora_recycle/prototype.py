"""The prototype meta-learner: distil each LoRA into nearest-prototype classification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from freeshot import GradientMetaLearner

if TYPE_CHECKING:
    from torch import Tensor

    from freeshot import Model, Task


@dataclass(frozen=True)
class Prototype(GradientMetaLearner):
    """Move queries to their class mean: match the LoRA's logits on its tasks, labels on mixed ones (Eq. 3-4)."""

    name = "prototype"
    citation = "Hu et al., LoRA Recycle, CVPR 2025; Snell et al., Prototypical Networks, NeurIPS 2017"
    distance: Literal["euclidean", "squared"] = "euclidean"
    """Distance to the class mean. paper: ‖·‖; code: ‖·‖²."""
    scale: float = 1.0
    """Factor on the distance, the inverse temperature of the softmax."""
    divergence: Literal["student-teacher", "teacher-student"] = "student-teacher"
    """KL(student ‖ teacher) as in the paper, or KL(teacher ‖ student) as in its code."""

    def loss(self, model: Model, task: Task) -> Tensor:
        """Return the divergence from the teacher's softmax on the queries, or their cross-entropy without a teacher."""
        from torch.nn.functional import cross_entropy, kl_div, log_softmax

        from freeshot.engine.embed_task import embed_task
        from freeshot.ops.prototypes import prototype_logits

        support, query = embed_task(model, task)  # [n, d], [q, d]
        labels = task.support.labels
        logits = prototype_logits(query, support, labels, task.way, self.distance, self.scale)  # [q, c]
        if task.teacher_logits is None:
            return cross_entropy(logits, task.query.labels)
        student, teacher = log_softmax(logits, 1), log_softmax(task.teacher_logits, 1)  # [q, c] each
        first, second = (student, teacher) if self.divergence == "student-teacher" else (teacher, student)
        return kl_div(second, first, reduction="batchmean", log_target=True)  # KL(first ‖ second)
