"""Losses of a task: divergence from the LoRA's logits if there are any, cross-entropy otherwise.

Axes: n support images, q query images, c classes (the way), d features.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from freeshot import Model, Task
from freeshot.engine.embed_task import embed_task
from freeshot.ops.prototypes import prototype_logits


def answer_loss(logits: Tensor, task: Task, queries: Tensor | None = None) -> Tensor:
    """Return KL(LoRA ‖ student) of query logits [q, c], or cross-entropy; `queries` selects queries, None all."""
    selection = slice(None) if queries is None else queries
    if task.teacher_logits is None:
        return cross_entropy(logits, task.query.labels[selection])
    teacher = log_softmax(task.teacher_logits[selection], 1)  # [q, c]
    return kl_div(log_softmax(logits, 1), teacher, reduction="batchmean", log_target=True)


def prototype_loss(
    model: Model, task: Task, weights: Sequence[Tensor] | None = None, queries: Tensor | None = None
) -> Tensor:
    """Return the loss of classifying queries by their distance to the class means, as in all test episodes."""
    return answer_loss(prototype_answers(model, task, weights, queries), task, queries)


def prototype_answers(
    model: Model, task: Task, weights: Sequence[Tensor] | None = None, queries: Tensor | None = None
) -> Tensor:
    """Return the query logits [q, c] of that classification; `weights` replace the model's own."""
    support, query = embed_task(model, task, weights, queries)  # [n, d], [q, d]
    return prototype_logits(query, support, task.support.labels, task.way, "euclidean")  # [q, c]
