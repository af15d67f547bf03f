"""What meta-learners do with a task before they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from freeshot.contracts.flow import Task
    from freeshot.contracts.meta_learner import Model


def embed_task(model: Model, task: Task) -> tuple[Tensor, Tensor]:
    """Embed support and query in one pass: [n, d] and [q, d]."""
    images = torch.cat([task.support.images, task.query.images])
    kept = None
    if task.support.kept is not None and task.query.kept is not None:
        kept = torch.cat([task.support.kept, task.query.kept])
    features = model.embed(images, kept)
    return features[: len(task.support)], features[len(task.support) :]
