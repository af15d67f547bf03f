"""Score a learner on episodes: embed once and multiply, or tune on each, some of them together.

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
from freeshot.contracts.method import Learner
from freeshot.evaluation.judging import judge, together

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from freeshot.contracts.flow import Episode
    from freeshot.contracts.images import Images
    from freeshot.evaluation.judging import Judged

    Head = Callable[[Tensor, Tensor, int], Tensor]
    """Support features [e, n, d], query features [e, q, d] and way to scores [e, q, c]."""
    Recalling = Callable[[Sequence[int], Callable[[Sequence[int]], Tensor]], Tensor]
    """Returns features [u, d] of the images used, known before or made by what it is given."""


AT_ONCE = (40 * 2**20, 160 * 2**20)
"""Bytes of images, as float, that pass through a network together: in main memory, and on an accelerator."""


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
    recall: Recalling = lambda used, make: make(used),
) -> tuple[Judged, Embedded]:
    """Embed every image that any episode uses once, then classify queries by the learner's head."""
    embedded = embed_used(learner, images, episodes, device, on_step, recall)
    return score_episodes(embedded, episodes, head_of(learner)), embedded


def embed_used(
    learner: Learner,
    images: Images,
    episodes: Sequence[Episode],
    device: torch.device,
    on_step: Callable[[int, int], None] = lambda done, total: None,
    recall: Recalling = lambda used, make: make(used),
) -> Embedded:
    """Embed every image that any episode uses once; `recall` may know features of some, and has the others made."""
    used = _in_no_order({i for e in episodes for i in (*e.support, *e.query)})
    seen = 0

    def make(part: Sequence[int]) -> Tensor:
        nonlocal seen
        features = embed(learner, images, part, device, lambda done, _: on_step(seen + done, len(used)))
        seen += len(part)
        return features

    return Embedded(tuple(used), recall(used, make))


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
    batch = _at_once(images.read(indices[:1]), device, batch)
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


def _at_once(image: Tensor, device: torch.device, most: int) -> int:
    """Return how many images like this pass together: what a network makes of large ones must fit into memory too."""
    return max(1, min(most, AT_ONCE[device.type == "cuda"] // max(1, 4 * image.numel())))


def head_of(learner: Learner) -> Head | None:
    """Return the head that a learner brings; None where it is the nearest class mean, which needs no asking."""
    return None if type(learner).classify is Learner.classify else learner.classify


def score_episodes(embedded: Embedded, episodes: Sequence[Episode], head: Head | None = None) -> Judged:
    """Classify the queries of episodes by a head on features, or by nearest class mean without one."""
    place = {image: row for row, image in enumerate(embedded.images)}
    support = torch.tensor([[place[i] for i in e.support] for e in episodes])  # [e, n]
    query = torch.tensor([[place[i] for i in e.query] for e in episodes])  # [e, q]
    return score_features(embedded.features, support, query, len(episodes[0].classes), head)


def score_features(
    features: Tensor, support: Tensor, query: Tensor, way: int, head: Head | None = None, chunk: int = 200
) -> Judged:
    """Classify rows `query` [e, q] of features [u, d] from rows `support` [e, n], class by class, many at once."""
    if head is None:
        features = features - features.mean(0)  # distances stay as they are, and their terms get small
    answers = _labels(way, query.shape[1])
    parts = []
    for start in range(0, len(support), chunk):
        shown, asked = (features[rows[start : start + chunk]] for rows in (support, query))  # [e, n, d], [e, q, d]
        logits, taken = _nearest(shown, asked, way) if head is None else _decided(head, shown, asked, way)
        parts.append(judge(logits, answers, taken))
    return together(parts)


def _nearest(support: Tensor, query: Tensor, way: int) -> tuple[Tensor, Tensor]:
    """Return minus the distances to the class means [e, q, c], and the nearest [e, q].

    Of ‖q − m‖² only q·m − ‖m‖²/2 tells classes apart: one batched product, and no [e, q, c, d] in memory.
    """
    labels = _labels(way, support.shape[1]).expand(len(support), -1)
    means = class_means(support, labels, way)  # [e, c, d]
    nearness = query @ means.mT - means.square().sum(-1).unsqueeze(1) / 2  # [e, q, c]
    squared = query.square().sum(-1, keepdim=True) - 2 * nearness
    return -squared.clamp(min=1e-12).sqrt(), nearness.argmax(-1)


def _decided(head: Head, support: Tensor, query: Tensor, way: int) -> tuple[Tensor, Tensor]:
    """Ask a learner's own head about queries in an order that tells nothing; refuse what is no score of each."""
    order = torch.rand(query.shape[:2], generator=stream(0, "query order", *query.shape[:2])).argsort(1)  # [e, q]
    logits = head(support, query.gather(1, order.unsqueeze(-1).expand_as(query)), way).detach().float().cpu()
    expected = (*query.shape[:2], way)
    if tuple(logits.shape) != expected:
        raise ContractError(f"A learner's head must score [e, q, c] = {list(expected)}, but gave {list(logits.shape)}.")
    if not torch.isfinite(logits).all():
        raise ContractError("The scores of the learner's head are not all finite. Check it for overflow.")
    listed = _as_listed(logits, order)
    return listed, listed.argmax(-1)


def _as_listed(logits: Tensor, order: Tensor) -> Tensor:
    """Bring scores [e, q, c] of queries that were shown in some order [e, q] back into that of their episodes."""
    place = order.unsqueeze(-1).expand_as(logits)
    return torch.empty_like(logits).scatter_(1, place, logits)


def score_tuning(
    learner: Learner,
    images: Images,
    episodes: Sequence[Episode],
    device: torch.device,
    seed: int,
) -> Judged:
    """Tune on a group of episodes' support sets and predict their queries, shown in an order that tells nothing."""
    way = len(episodes[0].classes)
    support = torch.stack([read_images(images, e.support, device) for e in episodes])  # [e, n, 3, h, w]
    predict = learner.adapt_many(support, way, [stream(seed, "adapt", e.id) for e in episodes])
    orders = [torch.randperm(len(e.query), generator=stream(seed, "query order", e.id)) for e in episodes]
    shown = [np.asarray(e.query)[order.numpy()].tolist() for e, order in zip(episodes, orders, strict=True)]
    with torch.no_grad():
        logits = predict(torch.stack([read_images(images, queries, device) for queries in shown]))
    queries = len(episodes[0].query)
    if tuple(logits.shape) != (len(episodes), queries, way):
        raise ContractError(
            f"A predictor must score {queries} queries × {way} classes of each of {len(episodes)} episodes, but gave "
            f"{list(logits.shape)}."
        )
    finite = torch.isfinite(logits).flatten(1).all(1)
    if not finite.all():
        spoilt = episodes[int(finite.logical_not().nonzero()[0])].id
        raise ContractError(f"The predictor's scores on episode {spoilt} are not all finite. Lower its lr.")
    listed = _as_listed(logits.float().cpu(), torch.stack(orders))
    return judge(listed, _labels(way, queries), listed.argmax(-1))


def _in_no_order(indices: set[int]) -> list[int]:
    """Shuffle images, which data sets keep class by class: a batch must not tell who belongs together."""
    ordered = sorted(indices)
    order = torch.randperm(len(ordered), generator=stream(0, "embedding order", len(ordered)))
    return [ordered[i] for i in order.tolist()]


def _labels(way: int, total: int) -> Tensor:
    """Return 0…way−1, each repeated: the labels of images ordered class by class."""
    return torch.arange(way).repeat_interleave(total // way)
