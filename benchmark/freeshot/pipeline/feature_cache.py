"""Cache of features, block by block, for learners whose computation is fully identified.

These are the harness's own learners: a network, merged with its adapter, whose weights can be hashed. Features of
third-party learners are computed each time. Stored block by block, so that an interrupted evaluation resumes.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch

from freeshot.basics.files import fingerprint, tensors_sha256
from freeshot.cache.artifacts import Artifact, free_first
from freeshot.engine.lora.adapted_learner import AdaptedLearner
from freeshot.engine.metering.meter import metered
from freeshot.engine.vit.backbone import weights_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from freeshot.contracts.dataset import Images
    from freeshot.contracts.method import Learner
    from freeshot.contracts.tensors import Adapter
    from freeshot.engine.metering.meter import Meter
    from freeshot.pipeline.context import RunContext
    from freeshot.records.models import ComponentSpec

    Make = Callable[[Sequence[int]], Tensor]
    """Embeds images [b] as [b, d]."""

STAGE = "features"
WORTH = 5.0
"""Seconds of embedding above which the features of a single block are cached."""
BLOCK = 2000
"""Images per block, a multiple of the network's batch size."""
MOST = 0.9
"""Share of a block's images from which on all of them are embedded: tracks on the same images then share features."""


@dataclass(eq=False)
class FeatureCache:
    """Loads the features of one evaluation from the cache, or computes and stores them."""

    context: RunContext
    recipe: dict[str, Any] | None
    """Everything that determines the features bit by bit; None if that is unknown."""
    meter: Meter
    """The meter of the evaluation; cached features are charged at their original cost."""
    total: int
    """Number of images of the data set's split, of which an evaluation uses some."""
    computed: int = 0
    """Images whose features were computed or loaded, at least those used."""
    peak_bytes: int = 0
    """Peak memory of the computation of cached features."""
    flops: int = 0
    """Operations of all features of the evaluation; the rest of its operations belong to the head."""

    def __call__(self, used: Sequence[int], make: Make) -> Tensor:
        """Return features [u, d] of the images `used`, block by block from the cache or by `make`."""
        before = self.meter.so_far()[1]
        if self.recipe is None:
            blocks, features = [used], make(used)
        else:
            blocks = shared_blocks(used, self.total)
            features = self._of_blocks(blocks, make)
        self.flops += self.meter.so_far()[1] - before
        self.computed += sum(map(len, blocks))
        row_of = {image: row for row, image in enumerate(chain.from_iterable(blocks))}
        return features[[row_of[image] for image in used]]  # [u, d]

    def _of_blocks(self, blocks: Sequence[Sequence[int]], make: Make) -> Tensor:
        """Return the features of all images of the blocks, in their order."""
        parts = {}
        recipes = {block[0]: {**(self.recipe or {}), "used": fingerprint(list(block), 64)} for block in blocks}
        for block in free_first(blocks, lambda block: self._in_progress(recipes[block[0]])):
            recipe = recipes[block[0]]
            with self._locked_unless_cached(recipe, len(block)) as cached:
                features = cached
                if features is None:
                    with metered(self.context.device) as cost:
                        features = make(block)
                    if len(blocks) > 1 or cost.seconds >= WORTH:
                        made = Artifact({"features": features}, {}, cost.seconds, cost.peak_bytes, cost.flops)
                        self.context.artifacts.save(STAGE, recipe, made)
            parts[block[0]] = features
        return torch.cat([parts[block[0]] for block in blocks])

    def _in_progress(self, recipe: dict[str, Any]) -> bool:
        """Return whether another process is computing a block."""
        artifacts = self.context.artifacts
        return not artifacts.has(STAGE, recipe) and artifacts.is_locked(STAGE, recipe)

    @contextmanager
    def _locked_unless_cached(self, recipe: dict[str, Any], count: int) -> Iterator[Tensor | None]:
        """Yield a block's features from the cache; else None, under a lock that keeps other processes waiting."""
        if (features := self._taken(recipe, count, 0.0)) is not None:
            yield features
            return
        began = time.perf_counter()
        with self.context.artifacts.lock(STAGE, recipe):
            yield self._taken(recipe, count, time.perf_counter() - began)

    def _taken(self, recipe: dict[str, Any], count: int, waited: float) -> Tensor | None:
        """Load features from the cache and charge their cost, less the seconds spent waiting."""
        artifact = self.context.artifacts.load(STAGE, recipe)
        features = artifact.tensors.get("features") if artifact is not None else None
        if artifact is None or features is None or len(features) != count:
            return None
        seconds, flops = self.meter.earlier
        self.meter.earlier = (seconds + max(artifact.seconds - waited, 0.0), flops + (artifact.flops or 0))
        self.peak_bytes = max(self.peak_bytes, artifact.peak_bytes)
        return features


def shared_blocks(used: Sequence[int], total: int) -> list[Sequence[int]]:
    """Split images 0…total−1 into blocks; of a block that is used for the most part all, of others the used ones."""
    needed = set(used)
    blocks: list[Sequence[int]] = []
    for start in range(0, total, BLOCK):
        whole = range(start, min(start + BLOCK, total))
        inside = [image for image in whole if image in needed]
        if inside:
            blocks.append(whole if len(inside) >= MOST * len(whole) else inside)
    return blocks


def feature_recipe(context: RunContext, spec: ComponentSpec, learner: Learner, images: Images) -> dict[str, Any] | None:
    """Return the recipe of features on the backbone `spec`: weights, adapter, preprocessing, images, arithmetic."""
    if type(learner) is not AdaptedLearner or "embed" in vars(learner):
        return None
    backbone = context.backbone(spec)
    return {
        "backbone": [spec.identity(), backbone.sha256],
        "adapter": adapter_sha256(learner.adapter),
        "merged": weights_sha256(learner.network),  # the weights in use, even if the learner was modified
        "shown": [backbone.normalize.mean.flatten().tolist(), backbone.normalize.std.flatten().tolist()],
        "side": backbone.image_size,
        "dtype": [str(backbone.dtype), backbone.precision],
        "images": images.sha256,
        "arithmetic": [context.device.type, torch.__version__, torch.get_num_threads()],
    }


def adapter_sha256(adapter: Adapter | None) -> str:
    """Hash an adapter's tensors; 'frozen' if there is none."""
    return "frozen" if adapter is None else tensors_sha256(adapter.tensors)
