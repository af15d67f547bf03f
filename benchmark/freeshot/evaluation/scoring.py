"""Score a learner on episodes: embed once and multiply, or tune episode by episode.

Axes: u unique images, e episodes, n = way × shot support images, q = way × query images, c classes, d features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from freeshot.basics.errors import ContractError
from freeshot.basics.prototypes import class_means
from freeshot.basics.seeds import stream
from freeshot.contracts.flow import Shots
from freeshot.evaluation.judging import judge, together

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from freeshot.contracts.flow import Episode
    from freeshot.contracts.images import Images
    from freeshot.contracts.method import Learner
    from freeshot.evaluation.judging import Judged


@dataclass(frozen=True, eq=False)
class Embedded:
    """Features of images."""

    images: tuple[int, ...]
    """Indices into the data set [u]."""
    features: Tensor
    """[u, d], on the CPU."""


def read_images(images: Images, indices: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """Read images as float [b, 3, h, w] in 0…1."""
    return images.read(indices).to(device).float() / 255


def score_embedding(
    learner: Learner,
    images: Images,
    episodes: Sequence[Episode],
    device: torch.device,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Judged, Embedded]:
    """Embed every image that any episode uses once, then classify queries by nearest class mean."""
    used = _in_no_order({i for e in episodes for i in (*e.support, *e.query)})
    embedded = Embedded(tuple(used), embed(learner, images, used, device, on_step))
    return score_episodes(embedded, episodes), embedded


def embed(
    learner: Learner,
    images: Images,
    indices: Sequence[int],
    device: torch.device,
    on_step: Callable[[int, int], None] = lambda done, total: None,
    batch: int = 500,
) -> Tensor:
    """Pass images through the learner: [u, d] on the CPU; ContractError where a feature is not finite."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(indices), batch):
            block = indices[start : start + batch]
            features = learner.embed(read_images(images, block, device)).float().cpu()
            if features.ndim != 2 or len(features) != len(block):
                raise ContractError(f"A learner must embed [b, 3, h, w] as [b, d], but gave {list(features.shape)}.")
            parts.append(features)
            on_step(min(start + batch, len(indices)), len(indices))
    joined = torch.cat(parts)
    if not torch.isfinite(joined).all():
        raise ContractError("The learner's features are not all finite. Check its adapter for NaN.")
    return joined


def score_episodes(embedded: Embedded, episodes: Sequence[Episode]) -> Judged:
    """Classify the queries of episodes by nearest class mean."""
    place = {image: row for row, image in enumerate(embedded.images)}
    support = torch.tensor([[place[i] for i in e.support] for e in episodes])  # [e, n]
    query = torch.tensor([[place[i] for i in e.query] for e in episodes])  # [e, q]
    return score_features(embedded.features, support, query, len(episodes[0].classes))


def score_features(features: Tensor, support: Tensor, query: Tensor, way: int, chunk: int = 200) -> Judged:
    """Classify rows `query` [e, q] of features [u, d] by nearest mean of rows `support` [e, n], class by class.

    Of ‖q − m‖² only q·m − ‖m‖²/2 tells classes apart: one batched product, and no [e, q, c, d] in memory.
    Probabilities are those of minus the distances, as methods are trained with and as `freeshot predict` reports.
    """
    features = features - features.mean(0)  # distances stay as they are, and their terms get small
    lengths = features.square().sum(-1)  # [u]
    labels, answers = _labels(way, support.shape[1]), _labels(way, query.shape[1])
    parts = []
    for start in range(0, len(support), chunk):
        shown, asked = support[start : start + chunk], query[start : start + chunk]
        means = class_means(features[shown], labels.expand(len(shown), -1), way)  # [e, c, d]
        nearness = features[asked] @ means.mT - means.square().sum(-1).unsqueeze(1) / 2  # [e, q, c]
        distances = (lengths[asked].unsqueeze(-1) - 2 * nearness).clamp(min=1e-12).sqrt()
        parts.append(judge(-distances, answers, nearness.argmax(-1)))
    return together(parts)


def score_tuning(
    learner: Learner,
    images: Images,
    episode: Episode,
    device: torch.device,
    seed: int,
) -> Judged:
    """Tune on one episode's support set and predict its queries, shown in an order that tells nothing."""
    way = len(episode.classes)
    support = Shots(read_images(images, episode.support, device), _labels(way, len(episode.support)).to(device))
    order = torch.randperm(len(episode.query), generator=stream(seed, "query order", episode.id)).numpy()
    shown = np.asarray(episode.query)[order].tolist()
    predict = learner.adapt(support, way, stream(seed, "adapt", episode.id))
    with torch.no_grad():
        logits = predict(read_images(images, shown, device))
    if tuple(logits.shape) != (len(shown), way):
        raise ContractError(
            f"A predictor must score {len(shown)} queries × {way} classes, but gave {list(logits.shape)}."
        )
    if not torch.isfinite(logits).all():
        raise ContractError(f"The predictor's scores on episode {episode.id} are not all finite. Lower its lr.")
    as_listed = torch.empty_like(logits, device="cpu", dtype=torch.float32)
    as_listed[torch.from_numpy(order)] = logits.float().cpu()
    return judge(as_listed.unsqueeze(0), _labels(way, len(shown)), as_listed.argmax(1).unsqueeze(0))


def _in_no_order(indices: set[int]) -> list[int]:
    """Shuffle images, which data sets keep class by class: a batch must not tell who belongs together."""
    ordered = sorted(indices)
    order = torch.randperm(len(ordered), generator=stream(0, "embedding order", len(ordered)))
    return [ordered[i] for i in order.tolist()]


def _labels(way: int, total: int) -> Tensor:
    """Return 0…way−1, each repeated: the labels of images ordered class by class."""
    return torch.arange(way).repeat_interleave(total // way)
