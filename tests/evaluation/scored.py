"""Embedding and scoring in one call, as the pipeline does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from freeshot.evaluation.scoring import Embedded, embed_episodes, head_of, score_episodes

if TYPE_CHECKING:
    import torch

    from freeshot.contracts.dataset import Images
    from freeshot.contracts.method import Learner
    from freeshot.contracts.tensors import Episode
    from freeshot.evaluation.metrics import QueryOutcomes


def score_embedding(
    learner: Learner, images: Images, episodes: Sequence[Episode], device: torch.device
) -> tuple[QueryOutcomes, Embedded]:
    """Embed every image of the episodes once, then classify queries by the learner's head."""
    embedded = embed_episodes(learner, images, episodes, device)
    return score_episodes(embedded, episodes, head_of(learner)), embedded
