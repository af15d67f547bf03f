"""Embedding of a task: support and query images in one forward pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from freeshot.contracts.meta_learner import Model
from freeshot.contracts.tensors import Task


def embed_task(
    model: Model, task: Task, weights: Sequence[Tensor] | None = None, queries: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Embed support and query in one pass: [n, d] and [q, d].

    `weights` replace the model's own; `queries` selects some, None all.
    """
    selection = slice(None) if queries is None else queries
    images = torch.cat([task.support.images, task.query.images[selection]])  # [n + q, 3, h, w]
    kept = None
    if task.support.kept is not None and task.query.kept is not None:
        kept = torch.cat([task.support.kept, task.query.kept[selection]])  # [n + q, k]
    features = model.embed(images, kept) if weights is None else model.embed_with(weights, images, kept)  # [n + q, d]
    return features[: len(task.support)], features[len(task.support) :]
