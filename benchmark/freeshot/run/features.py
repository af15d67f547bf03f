"""Features that were computed before, where it is known exactly what computed them.

Known are learners of the harness itself: a network, merged with its adapter, whose weights can be hashed. What a
learner of somebody else's embeds by is its own affair; its features are computed each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from freeshot.basics.files import fingerprint, tensors_sha256
from freeshot.engine.backbone import weights_sha256
from freeshot.engine.learners import AdaptedLearner
from freeshot.engine.meter import metered
from freeshot.run.artefacts import Artefact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from freeshot.contracts.flow import Adapter
    from freeshot.contracts.images import Images
    from freeshot.contracts.method import Learner
    from freeshot.contracts.records import RunSpec
    from freeshot.engine.meter import Meter
    from freeshot.run.environment import Environment

STAGE = "features"
WORTH = 5.0
"""Seconds of embedding from which on features are kept."""


@dataclass(eq=False)
class Recall:
    """Takes the features of one look from the cache, or has them computed and keeps them."""

    environment: Environment
    recipe: dict[str, Any] | None
    """What decides the features to the last bit; None where that is not known."""
    meter: Meter
    """What meters the look; features from the cache cost what they cost when they were computed."""
    artefact: Artefact | None = None
    """What was taken from the cache."""

    def __call__(self, used: Sequence[int], make: Callable[[], Tensor]) -> Tensor:
        """Return features [u, d] of the images `used`."""
        if self.recipe is None:
            return make()
        recipe = self.recipe | {"used": fingerprint(list(used), 64)}
        artefacts = self.environment.artefacts
        self.artefact = artefacts.load(STAGE, recipe)
        features = self.artefact.tensors.get("features") if self.artefact is not None else None
        if self.artefact is not None and features is not None and len(features) == len(used):
            self.meter.earlier = (self.artefact.seconds, self.artefact.flops or 0)
            return features
        self.artefact = None
        with metered(self.environment.device) as cost:
            features = make()
        if cost.seconds >= WORTH:
            made = Artefact({"features": features}, {}, cost.seconds, cost.peak_bytes, cost.flops)
            artefacts.save(STAGE, recipe, made)
        return features


def recall_of(environment: Environment, spec: RunSpec, learner: Learner, images: Images, meter: Meter) -> Recall:
    """Return what recalls the features of a learner on images."""
    return Recall(environment, _recipe(environment, spec, learner, images), meter)


def _recipe(environment: Environment, spec: RunSpec, learner: Learner, images: Images) -> dict[str, Any] | None:
    """Say what decides the features: network, adapter, preprocessing, images, and the arithmetic of this device."""
    if type(learner) is not AdaptedLearner or "embed" in vars(learner):
        return None
    backbone = environment.backbone(spec.backbone)
    return {
        "backbone": [spec.backbone.identity(), backbone.sha256],
        "adapter": adapter_sha256(learner.adapter),
        "merged": weights_sha256(learner.network),  # what is really used, whatever was done to the learner
        "shown": [backbone.normalize.mean.flatten().tolist(), backbone.normalize.std.flatten().tolist()],
        "side": backbone.image_size,
        "dtype": str(backbone.dtype),
        "images": images.sha256,
        "arithmetic": [environment.device.type, torch.__version__, torch.get_num_threads()],
    }


def adapter_sha256(adapter: Adapter | None) -> str:
    """Identify an adapter by its tensors; 'frozen' where there is none."""
    return "frozen" if adapter is None else tensors_sha256(adapter.tensors)
