"""What a task asks of a model: the LoRA's opinion of the queries where there is one, their labels elsewhere.

Axes: n support images, q query images, c classes (the way), d features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from freeshot.basics.prototypes import prototype_logits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from freeshot import Model, Task


def answer_loss(logits: Tensor, task: Task, asked: Tensor | None = None) -> Tensor:
    """Return KL(LoRA ‖ student) of query logits [q, c], or cross-entropy; `asked` says which queries, None all."""
    chosen = slice(None) if asked is None else asked
    if task.teacher_logits is None:
        return cross_entropy(logits, task.query.labels[chosen])
    theirs = log_softmax(task.teacher_logits[chosen], 1)
    return kl_div(log_softmax(logits, 1), theirs, reduction="batchmean", log_target=True)


def prototype_loss(
    model: Model, task: Task, weights: Sequence[Tensor] | None = None, asked: Tensor | None = None
) -> Tensor:
    """Return the loss of classifying queries by their distance to the class means, as all episodes are at test."""
    support, query = embedded(model, task, weights, asked)
    logits = prototype_logits(query, support, task.support.labels, task.way, "euclidean")
    return answer_loss(logits, task, asked)


def embedded(
    model: Model, task: Task, weights: Sequence[Tensor] | None = None, asked: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Embed support and query in one pass, [n, d] and [q, d]; with `weights` in place of the model's own."""
    chosen = slice(None) if asked is None else asked
    images = torch.cat([task.support.images, task.query.images[chosen]])
    kept = None
    if task.support.kept is not None and task.query.kept is not None:
        kept = torch.cat([task.support.kept, task.query.kept[chosen]])
    features = model.embed(images, kept) if weights is None else model.embed_with(weights, images, kept)
    return features[: len(task.support)], features[len(task.support) :]
