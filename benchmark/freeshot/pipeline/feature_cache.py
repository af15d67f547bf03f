"""Cache of features, block by block, for learners whose computation is fully identified.

These are the harness's own learners: a network, merged with its adapter, whose weights can be hashed. Features of
third-party learners are computed each time. Processes that embed the same images with the same weights share the
blocks.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from filelock import Timeout

from freeshot.basics.files import fingerprint, tensors_sha256
from freeshot.basics.locked_work import run_under_locks
from freeshot.cache.artifacts import Artefact
from freeshot.engine.lora.adapted_learner import AdaptedLearner
from freeshot.engine.metering.meter import metered
from freeshot.engine.vit.backbone import weights_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from freeshot.contracts.dataset import Images
    from freeshot.contracts.method import Learner
    from freeshot.contracts.tensors import Adapter
    from freeshot.engine.metering.meter import Meter
    from freeshot.pipeline.context import RunContext
    from freeshot.records.models import RunSpec

    Make = Callable[[Sequence[int]], Tensor]
    """Embeds images [b] as [b, d]."""

STAGE = "features"
WORTH = 5.0
"""Seconds of embedding above which features are cached if no other process could need them."""
BLOCK = 2000
"""Images per block: few enough to be shared, a multiple of the network's batch size."""


@dataclass(eq=False)
class FeatureCache:
    """Loads the features of one evaluation from the cache, or computes and stores them."""

    environment: RunContext
    recipe: dict[str, Any] | None
    """Everything that determines the features bit by bit; None if that is unknown."""
    meter: Meter
    """The meter of the evaluation; cached features are charged at their original cost."""
    peak_bytes: int = 0
    """Peak memory of the computation of cached features."""
    flops: int = 0
    """Operations of all features of the evaluation; the rest of its operations belong to the head."""

    def __call__(self, used: Sequence[int], make: Make) -> Tensor:
        """Return features [u, d] of the images `used`."""
        before = self.meter.so_far()[1]
        features = self._features(used, make)
        self.flops += self.meter.so_far()[1] - before
        return features

    def _features(self, used: Sequence[int], make: Make) -> Tensor:
        if self.recipe is None:
            return make(used)
        blocks = _blocks(used)
        shared = len(blocks) > 1
        parts = run_under_locks(
            len(blocks), lambda number, wait: self._block(blocks[number], make, shared=shared, wait=wait)
        )
        return torch.cat([parts[number] for number in range(len(blocks))])

    def compute_unclaimed_blocks(self, used: Sequence[int], make: Make) -> Tensor:
        """Compute the feature blocks that no other process has locked; return all available features [k, d]."""
        if self.recipe is None or len(used) <= BLOCK:
            return torch.empty(0)
        blocks = _blocks(used)
        parts = [self._block(block, make, shared=True, wait=False) for block in blocks]
        return torch.cat([part for part in parts if part is not None] or [torch.empty(0)])

    def _block(self, used: Sequence[int], make: Make, *, shared: bool, wait: bool) -> Tensor | None:
        """Return a block's features; None if another process has its lock and `wait` is False."""
        assert self.recipe is not None
        recipe = self.recipe | {"used": fingerprint(list(used), 64)}
        begun = time.perf_counter()
        features = self._taken(recipe, len(used), 0.0)
        if features is not None:
            return features
        try:
            with self.environment.artefacts.lock(STAGE, recipe).acquire(timeout=-1 if wait else 0):
                features = self._taken(recipe, len(used), time.perf_counter() - begun)
                return features if features is not None else self._made(recipe, used, make, shared=shared)
        except Timeout:
            return None

    def _taken(self, recipe: dict[str, Any], count: int, waited: float) -> Tensor | None:
        """Load features from the cache and charge their cost, less the seconds spent waiting."""
        artefact = self.environment.artefacts.load(STAGE, recipe)
        features = artefact.tensors.get("features") if artefact is not None else None
        if artefact is None or features is None or len(features) != count:
            return None
        seconds, flops = self.meter.earlier
        self.meter.earlier = (seconds + max(artefact.seconds - waited, 0.0), flops + (artefact.flops or 0))
        self.peak_bytes = max(self.peak_bytes, artefact.peak_bytes)
        return features

    def _made(self, recipe: dict[str, Any], used: Sequence[int], make: Make, *, shared: bool) -> Tensor:
        """Compute features, and store them if that is worthwhile."""
        with metered(self.environment.device) as cost:
            features = make(used)
        if shared or cost.seconds >= WORTH:
            made = Artefact({"features": features}, {}, cost.seconds, cost.peak_bytes, cost.flops)
            self.environment.artefacts.save(STAGE, recipe, made)
        return features


def _blocks(used: Sequence[int]) -> list[Sequence[int]]:
    """Split images into blocks; the last may be smaller."""
    return [used[start : start + BLOCK] for start in range(0, len(used), BLOCK)]


def feature_cache_of(
    environment: RunContext, spec: RunSpec, learner: Learner, images: Images, meter: Meter
) -> FeatureCache:
    """Return the feature cache of a learner on images."""
    return FeatureCache(environment, _recipe(environment, spec, learner, images), meter)


def _recipe(environment: RunContext, spec: RunSpec, learner: Learner, images: Images) -> dict[str, Any] | None:
    """Return the recipe of the features: network, adapter, preprocessing, images, and this device's arithmetic."""
    if type(learner) is not AdaptedLearner or "embed" in vars(learner):
        return None
    backbone = environment.backbone(spec.backbone)
    return {
        "backbone": [spec.backbone.identity(), backbone.sha256],
        "adapter": adapter_sha256(learner.adapter),
        "merged": weights_sha256(learner.network),  # the weights in use, even if the learner was modified
        "shown": [backbone.normalize.mean.flatten().tolist(), backbone.normalize.std.flatten().tolist()],
        "side": backbone.image_size,
        "dtype": str(backbone.dtype),
        "images": images.sha256,
        "arithmetic": [environment.device.type, torch.__version__, torch.get_num_threads()],
    }


def adapter_sha256(adapter: Adapter | None) -> str:
    """Hash an adapter's tensors; 'frozen' if there is none."""
    return "frozen" if adapter is None else tensors_sha256(adapter.tensors)
