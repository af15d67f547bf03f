"""Scoring of learners on episodes: embed once and classify, or tune on each episode.

Axes: u unique images, e episodes, n = way × shot support images, q = way × query images, c classes, d features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from freeshot.basics.errors import ContractError
from freeshot.basics.seeds import stream
from freeshot.contracts.dataset import Images
from freeshot.contracts.method import Learner
from freeshot.contracts.tensors import Episode
from freeshot.evaluation.metrics import QueryOutcomes, concatenate, score_queries
from freeshot.evaluation.query_order import image_keys, pixel_keys, shown_order
from freeshot.ops.prototypes import class_means

Head = Callable[[Tensor, Tensor, int], Tensor]
"""Support features [e, n, d], query features [e, q, d] and way → logits [e, q, c]."""
Recalling = Callable[[Sequence[int], Callable[[Sequence[int]], Tensor]], Tensor]
"""Returns features [u, d] of image indices, from a cache or by the given function."""

AT_ONCE = (40 * 2**20, 160 * 2**20)
"""Bytes of images, as float, per forward pass: on the CPU, and on an accelerator."""


@dataclass(frozen=True, eq=False)
class Embedded:
    """Features of images."""

    images: tuple[int, ...]
    """Indices into the data set [u]."""
    features: Tensor
    """[u, d], on the CPU."""
    keys: Tensor
    """Hashes of the pixels, int64 [u], ascending: they determine the order in which a head gets its queries."""

    @cached_property
    def row_of(self) -> NDArray[np.int64]:
        """Row of the features of each image index; −1 for images without."""
        rows = np.full(max(self.images) + 1, -1)
        rows[list(self.images)] = np.arange(len(self.images))
        return rows

    @cached_property
    def centred(self) -> Tensor:
        """Features minus their mean [u, d]: distances stay the same, and rounding errors get smaller."""
        return self.features - self.features.mean(0)


def read_images(images: Images, indices: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """Read images as float [b, 3, h, w] in 0…1."""
    return images.read(indices).to(device).float() / 255


def embed_episodes(
    learner: Learner,
    images: Images,
    episodes: Iterable[Episode],
    device: torch.device,
    on_step: Callable[[int, int], None] = lambda done, total: None,
    recall: Recalling = lambda used, make: make(used),
) -> Embedded:
    """Embed every image that any of the episodes uses once; the episodes may differ in size.

    `recall` may return cached features.
    """
    stored = sorted({i for e in episodes for i in (*e.support, *e.query)})
    keys = image_keys(images, stored)
    order = shown_order(keys)
    used = [stored[i] for i in order.tolist()]
    make = partial(embed, learner, images, device=device, on_step=_BlockProgress(len(used), on_step))
    return Embedded(tuple(used), recall(used, make), keys[order])


@dataclass(eq=False)
class _BlockProgress:
    """Reports the images of one block after another as images of all."""

    total: int
    on_step: Callable[[int, int], None]
    before: int = 0

    def __call__(self, done: int, of: int) -> None:
        self.on_step(min(self.before + done, self.total), self.total)  # more may be embedded than are used
        self.before += of * (done == of)


def embed(
    learner: Learner,
    images: Images,
    indices: Sequence[int],
    device: torch.device,
    on_step: Callable[[int, int], None] = lambda done, total: None,
    batch: int | None = None,
) -> Tensor:
    """Embed images: [u, d] on the CPU; ContractError if a feature is infinite or NaN.

    `batch` is the number of images per forward pass; None chooses as many as fit into little memory.
    """
    parts = []
    limit = AT_ONCE[device.type == "cuda"]  # bounds the memory of a network's activations
    batch = batch or max(1, min(500, limit // max(1, 4 * images.read(indices[:1]).numel())))
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


def head_of(learner: Learner) -> Head | None:
    """Return a learner's own head; None for the default, the nearest class mean."""
    return None if type(learner).classify is Learner.classify else learner.classify


def score_episodes(embedded: Embedded, episodes: Sequence[Episode], head: Head | None = None) -> QueryOutcomes:
    """Classify the queries of episodes by a head, or by nearest class mean if it is None."""
    support, query = (rows_of(embedded, part) for part in ([e.support for e in episodes], [e.query for e in episodes]))
    return score_features(embedded.features, support, query, len(episodes[0].classes), head, embedded.keys)


def rows_of(embedded: Embedded, images: Sequence[Sequence[int]]) -> Tensor:
    """Return the feature rows [e, n] of image indices [e, n]."""
    rows = embedded.row_of[np.array(images)]
    assert rows.min() >= 0, "every image was embedded"
    return torch.from_numpy(rows)


def score_features(
    features: Tensor,
    support: Tensor,
    query: Tensor,
    way: int,
    head: Head | None = None,
    keys: Tensor | None = None,
    chunk: int = 200,
) -> QueryOutcomes:
    """Classify rows `query` [e, q] of features [u, d] from rows `support` [e, n], class by class, in chunks.

    A learner's own head gets the queries ordered by the `keys` [u] of their images, see `query_order`.
    """
    if head is None:
        features = features - features.mean(0)  # distances stay the same, and rounding errors get smaller
    answers = _labels(way, query.shape[1])
    parts = []
    for start in range(0, len(support), chunk):
        support_rows, query_rows = support[start : start + chunk], query[start : start + chunk]
        if head is None:
            logits, predicted = nearest_means(features[support_rows], features[query_rows], way)
        else:
            assert keys is not None, "a head needs the keys that order its queries"
            order = shown_order(keys[query_rows])  # [e, q]
            logits = as_listed(
                score_head(head, features[support_rows], features[query_rows.gather(1, order)], way), order
            )
            predicted = logits.argmax(-1)
        parts.append(score_queries(logits, answers, predicted))
    return concatenate(parts)


def score_head(head: Head, support: Tensor, query: Tensor, way: int) -> Tensor:
    """Score queries [e, q, d] by a learner's own head: [e, q, c]; ContractError if it breaks its contract."""
    shown = support.clone(), query.clone()
    logits = head(*shown, way).detach().float().cpu()
    expected = [*query.shape[:2], way]
    if list(logits.shape) != expected:
        raise ContractError(f"A learner's head must score [e, q, c] = {expected}, but gave {list(logits.shape)}.")
    if not torch.isfinite(logits).all():
        raise ContractError("The scores of the learner's head are not all finite. Check it for overflow.")
    require_untouched(shown, (support, query), "features")
    return logits


def require_untouched(shown: Sequence[Tensor], originals: Sequence[Tensor], what: str) -> None:
    """Raise ContractError if a learner modified its support or query tensors in place."""
    for name, tensor, original in zip(("support", "query"), shown, originals, strict=False):
        if not torch.equal(tensor, original):
            raise ContractError(f"The learner modified the {name} {what} in place. Work on a copy.")


def require_varied(outcomes: QueryOutcomes, way: int) -> None:
    """Raise ContractError if all classes got the same score for every query of every episode."""
    if way > 1 and bool((outcomes.confidence <= np.float32(1 / way) * (1 + 1e-7)).all()):
        raise ContractError(
            "The learner gives all classes the same score for every query, so its predictions do not depend on the "
            "images. Return scores that differ between classes."
        )


def nearest_means(support: Tensor, query: Tensor, way: int) -> tuple[Tensor, Tensor]:
    """Return the negative distances to the class means [e, q, c], and the nearest class [e, q].

    Only q·m − ‖m‖²/2 of ‖q − m‖² differs between classes: one batched product, and no [e, q, c, d] in memory.
    """
    labels = _labels(way, support.shape[1]).expand(len(support), -1)
    means = class_means(support, labels, way)  # [e, c, d]
    nearness = query @ means.mT - means.square().sum(-1).unsqueeze(1) / 2  # [e, q, c]
    squared = query.square().sum(-1, keepdim=True) - 2 * nearness  # [e, q, c]
    return -squared.clamp(min=1e-12).sqrt(), nearness.argmax(-1)


def as_listed(logits: Tensor, order: Tensor) -> Tensor:
    """Reorder scores [e, q, c] of queries shown in an order [e, q] to the order of the episode list."""
    rows = order.unsqueeze(-1).expand_as(logits)
    return torch.empty_like(logits).scatter_(1, rows, logits)


def score_tuning(
    learner: Learner,
    images: Images,
    episodes: Sequence[Episode],
    device: torch.device,
    seed: int,
) -> QueryOutcomes:
    """Tune on a group of episodes' support sets and classify their queries, ordered by their pixels."""
    support = read_episodes(images, [e.support for e in episodes])
    query = read_episodes(images, [e.query for e in episodes])
    order = torch.stack([shown_order(pixel_keys(pixels)) for pixels in query])  # [e, q]
    shown = query[torch.arange(len(query)).unsqueeze(1), order]
    way, rngs = len(episodes[0].classes), [stream(seed, "adapt", e.id) for e in episodes]
    logits = tuned_logits(learner, support, shown, way, rngs, device)
    spoilt = torch.isfinite(logits).flatten(1).all(1).logical_not().nonzero()
    if len(spoilt):
        raise ContractError(
            f"The predictor's scores on episode {episodes[int(spoilt[0])].id} are not all finite. Lower its lr."
        )
    logits = as_listed(logits, order)
    return score_queries(logits, _labels(way, logits.shape[1]), logits.argmax(-1))


def read_episodes(images: Images, indices: Sequence[Sequence[int]]) -> Tensor:
    """Read images of several episodes, indices [e, n]: uint8 [e, n, 3, h, w]."""
    return torch.stack([images.read(some) for some in indices])


def tuned_logits(
    learner: Learner,
    support: Tensor,
    query: Tensor,
    way: int,
    rngs: Sequence[Generator],
    device: torch.device,
    *,
    guard: bool = False,
) -> Tensor:
    """Tune on e support sets, uint8 [e, n, 3, h, w], and score the queries [e, q, …] in the given order: [e, q, c].

    ContractError if the scores have another shape. With `guard` images are copied first, and ContractError is raised if
    the learner modified them.
    """
    shown = [pixels.to(device).float() / 255 for pixels in (support, query)]
    originals = [tensor.clone() for tensor in shown] if guard else shown
    predict = learner.adapt_many(shown[0], way, rngs)
    with torch.no_grad():
        logits = predict(shown[1]).float().cpu()
    if list(logits.shape) != [*query.shape[:2], way]:
        raise ContractError(
            f"A predictor must score {query.shape[1]} queries × {way} classes of each of {len(query)} episodes, but "
            f"gave {list(logits.shape)}."
        )
    require_untouched(shown, originals, "images")
    return logits


def _labels(way: int, total: int) -> Tensor:
    """Return the labels of images ordered class by class: 0…way−1, each repeated."""
    return torch.arange(way).repeat_interleave(total // way)
