"""Scoring of episodes for the audit: access to learners and images.

Axes: s episodes shown, n support images, k queries shown, c classes, u unique images, d features.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from freeshot.basics.seeds import stream
from freeshot.contracts.dataset import Images
from freeshot.contracts.method import Learner
from freeshot.contracts.tensors import Episode
from freeshot.evaluation.audit import Audit
from freeshot.evaluation.outcomes import TOLERATED
from freeshot.evaluation.query_order import pixel_keys, shown_order
from freeshot.evaluation.scoring import (
    Embedded,
    Head,
    nearest_means,
    read_episodes,
    read_images,
    require_untouched,
    rows_of,
    score_head,
    tuned_logits,
)
from freeshot.evaluation.variations import Shown

IMAGES = (16, 0.025)
"""Images that are embedded again: at least this many, and this share of all."""
EXACT, ROUGH = 1e-3, 2e-2
"""Tolerated change of a feature vector between batches, relative to the features' standard deviation.

In float32 on a CPU, kernels for other batch sizes differ by about 1e-6; a GPU multiplies in TF32, and bfloat16 rounds
at 2⁻⁸, which adds up to about 1e-2 over the layers of a network.
"""


@dataclass(eq=False)
class HeadRescore:
    """Scores episodes from the features of a run; implements `Rescore`."""

    embedded: Embedded
    head: Head | None
    episodes_per_batch: int = 200
    drew: bool = False
    """A head gets no random stream."""

    def __call__(self, shown: Sequence[Shown]) -> Tensor:
        """Return logits [s, k, c] in the order of queries and classes shown."""
        way = len(shown[0].classes)
        support = rows_of(self.embedded, [episode.support for episode in shown])
        query = rows_of(self.embedded, [episode.query for episode in shown])
        if self.head is not None:
            features = self.embedded.features
            return score_head(self.head, features[support], features[query], way)
        centred = self.embedded.centred
        return nearest_means(centred[support], centred[query], way)[0]

    def order_of(self, episode: Episode) -> Sequence[int]:
        """Return the indices of an episode's queries [q] in the order in which the run showed them."""
        keys = self.embedded.keys[rows_of(self.embedded, [episode.query])]
        return shown_order(keys)[0].tolist()


@dataclass(eq=False)
class TunedRescore:
    """Tunes on support sets again; implements `Rescore`."""

    learner: Learner
    images: Images
    device: torch.device
    seed: int
    on_step: Callable[[int], None] = lambda done: None
    """Called with the number of episodes scored so far."""
    drew: bool = False
    done: int = 0
    episodes_per_batch: int = field(init=False)

    def __post_init__(self) -> None:
        self.episodes_per_batch = self.learner.episodes_per_batch

    def __call__(self, shown: Sequence[Shown]) -> Tensor:
        """Return logits [s, k, c] in the order of queries and classes shown."""
        rngs = [stream(self.seed, "adapt", episode.episode.id) for episode in shown]
        fresh = [rng.get_state() for rng in rngs]
        support = read_episodes(self.images, [episode.support for episode in shown])
        query = read_episodes(self.images, [episode.query for episode in shown])
        logits = tuned_logits(self.learner, support, query, len(shown[0].classes), rngs, self.device, guard=True)
        self.drew |= any(not torch.equal(rng.get_state(), state) for rng, state in zip(rngs, fresh, strict=True))
        self.done += len(shown)
        self.on_step(self.done)
        return logits

    def order_of(self, episode: Episode) -> Sequence[int]:
        """Return the indices of an episode's queries [q] in the order in which the run showed them."""
        return shown_order(pixel_keys(self.images.read(episode.query))).tolist()


def audit_features(
    learner: Learner,
    images: Images,
    embedded: Embedded,
    device: torch.device,
) -> Audit:
    """Embed a sample of the run's images again, alone and in other batches, and compare the features."""
    rng = np.random.default_rng(list(os.urandom(32)))
    count = min(len(embedded.images), max(IMAGES[0], round(IMAGES[1] * len(embedded.images))))
    rows = rng.permutation(len(embedded.images))[:count]
    second = torch.cat([_embedded(learner, images, embedded, part, device) for part in _batches(rows, rng)])
    first = embedded.features[torch.from_numpy(rows)]
    moved = _moved(first, second, embedded.features, device)
    share = round(float(moved.mean()), 6)
    if int(moved.sum()) <= int(TOLERATED * count):
        return Audit(0, {"batch": share})
    reason = (
        f"Features depend on the batch: {int(moved.sum())} of {count} images got other features among other images, or "
        "at another time. Embed each image by itself, networks in eval mode."
    )
    return Audit(0, {"batch": share}, (reason,))


def _batches(rows: NDArray[np.int64], rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Split rows into one single row and batches of random sizes."""
    yield rows[:1]
    start = 1
    while start < len(rows):
        size = int(rng.integers(2, max(3, len(rows) // 2)))
        yield rows[start : start + size]
        start += size


def _embedded(
    learner: Learner, images: Images, embedded: Embedded, rows: NDArray[np.int64], device: torch.device
) -> Tensor:
    """Embed the images of some rows together: [b, d]; ContractError if the learner modifies them."""
    pixels = read_images(images, [embedded.images[row] for row in rows.tolist()], device)
    shown = pixels.clone()
    with torch.inference_mode():
        features = learner.embed(shown).float().cpu()
    require_untouched([shown], [pixels], "images")
    return features.clone()


def _moved(first: Tensor, second: Tensor, features: Tensor, device: torch.device) -> NDArray[np.bool_]:
    """Return which feature vectors [u, d] differ by more than rounding: [u]."""
    spread = (features - features.mean(0)).square().sum(1).mean().sqrt().clamp(min=1e-12)
    halved = torch.equal(features, features.bfloat16().float())
    tolerance = EXACT if device.type == "cpu" and not halved else ROUGH
    gaps = (second - first).square().sum(1).sqrt() / spread
    moved: NDArray[np.bool_] = (gaps > tolerance).numpy()
    return moved
