"""The small world of the contract checks (toy network, LoRAs, tasks, tracks), and checks that several rules share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from freeshot.contracts.method import Learner, Method, Workbench
from freeshot.contracts.pool import LoraEntry, LoraPool
from freeshot.contracts.tensors import Shots, SurrogateSet
from freeshot.contracts.tracks import Track
from freeshot.engine.vit.backbone import Backbone, open_backbone, weights_sha256
from freeshot.pipeline.task_sampler import SurrogateSource, Tasks, TaskShape
from freeshot.plugin.catalogue import Catalogue
from freeshot.pool.store import open_pool
from freeshot.testing.contract.rules import BrokenError
from freeshot.testing.toy import POOL, SPLITS, TRACKS, ToyImages, ToyVit, ToyWaves

STEPS = 3
"""Step limit of loops during a check."""
WAYS, SHOTS = (2, 5, 20), (1, 5)


@dataclass(frozen=True)
class ContractWaves(ToyWaves):
    """Coloured waves with enough novel classes for five ways."""

    name = "contract-waves"

    def load(self, split: str, root: Path) -> ToyImages:
        """Return one split; the pool was tuned on the base classes."""
        return ToyImages(tuple(range(9, 15)) if split == "novel" else tuple(SPLITS[split]))


@dataclass(frozen=True)
class FrozenBackbone(Method):
    """Embed with the unchanged backbone."""

    name = "contract-frozen-backbone"

    def prepare(self, bench: Workbench) -> Learner:
        """Train nothing."""
        return bench.frozen()


@dataclass(frozen=True, eq=False)
class World:
    """Everything that a check needs, opened once."""

    folder: Path
    """An empty folder for caches and records."""
    catalogue: Catalogue

    @cached_property
    def backbone(self) -> Backbone:
        """The toy network."""
        return open_backbone(ToyVit())

    @cached_property
    def pool(self) -> LoraPool:
        """The toy pool."""
        return open_pool(POOL, self.backbone.sha256)

    def lora(self, way: int) -> LoraEntry:
        """Return a LoRA of the pool with a random head for `way` classes."""
        entry = self.pool.entries[0]
        rng = torch.Generator().manual_seed(way)
        return replace(
            entry,
            head_weight=torch.randn(way, entry.head_weight.shape[1], generator=rng),
            head_bias=torch.zeros(way),
            classes=tuple(f"class-{number}" for number in range(way)),
            class_ids=tuple(range(way)),
        )

    def surrogates(self, way: int, per_class: int, *, masked: bool) -> SurrogateSet:
        """Return random images of `way` classes with random logits, optionally with masks of half the patches."""
        rng = torch.Generator().manual_seed(way)
        side, count = self.backbone.image_size, way * per_class
        labels = torch.arange(way).repeat_interleave(per_class)
        kinds = torch.rand(way, 3, 1, 1, generator=rng)[labels]
        images = (0.5 * kinds + 0.5 * torch.rand(count, 3, side, side, generator=rng)).clamp(0, 1)
        kept = torch.rand(count, 16, generator=rng).argsort(1)[:, :8].sort(1).values if masked else None
        logits = torch.randn(count, way, generator=rng)
        return SurrogateSet(Shots(images, labels, kept), tuple(range(way)), logits, logits.flip(0), "lora")

    def tasks(self, way: int, shot: int, *, masked: bool, seed: int = 0, on_step: Any = None) -> Tasks:
        """Return a stream of tasks, some with a LoRA's logits, some with labels only."""
        sets = [self.surrogates(way, shot + 2, masked=masked)]
        source = SurrogateSource(sets, TaskShape(way, shot, 2), 0.5, 4, self.backbone.device, flip=True)
        return Tasks(source.draw, {}, seed, on_step or (lambda done, total: None))

    def track(self, way: int, shot: int) -> Track:
        """Return a track on synthetic images."""
        data = ContractWaves.name
        name = f"contract/{way}w{shot}s"
        return replace(TRACKS[0], name=name, dataset=data, sources=(data,), way=way, shot=shot, episodes=6)


@contextmanager
def network_unmodified(backbone: Backbone) -> Iterator[None]:
    """Raise BrokenError if the block leaves other weights, gradients or hooks on the network."""
    hooks = _hooks(backbone)
    yield
    if weights_sha256(backbone.vit) != backbone.sha256:
        raise BrokenError("The frozen network's weights were changed. Work on copies.")
    if any(weight.grad is not None or weight.requires_grad for weight in backbone.vit.parameters()):
        raise BrokenError("The frozen network was left with gradients. Differentiate by your own tensors only.")
    if _hooks(backbone) != hooks:
        raise BrokenError("A hook was left on the network. Remove it in a finally block.")


def _hooks(backbone: Backbone) -> int:
    return sum(
        len(part._forward_hooks) + len(part._forward_pre_hooks) + ("forward" in vars(part))  # noqa: SLF001
        for part in backbone.vit.modules()
    )


def require_reproducible(run: Callable[[], Any], advice: str) -> None:
    """Raise BrokenError with this advice if the result depends on torch's global random state."""
    results = []
    for state in (1, 2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(state)
            results.append(run())
    first, second = results
    if not (torch.equal(first, second) if isinstance(first, torch.Tensor) else first == second):
        raise BrokenError(advice)
