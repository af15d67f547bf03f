"""The small world of the contract checks: toy network, LoRAs of any way, tasks, tracks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from freeshot.testing.toy import POOL, SPLITS, ToyImages, ToyVit, ToyWaves

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from freeshot.contracts.dataset import FewShotDataset
    from freeshot.contracts.pool import LoraEntry, LoraPool
    from freeshot.contracts.tensors import SurrogateSet
    from freeshot.contracts.tracks import Track
    from freeshot.engine.vit.backbone import Backbone
    from freeshot.pipeline.task_sampler import Tasks
    from freeshot.plugin.catalogue import Catalogue

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


@dataclass(frozen=True, eq=False)
class World:
    """Everything that a check needs, opened once."""

    folder: Path
    """An empty folder for caches and records."""
    catalogue: Catalogue

    @cached_property
    def backbone(self) -> Backbone:
        """The toy network."""
        from freeshot.engine.vit.backbone import open_backbone

        return open_backbone(ToyVit())

    @cached_property
    def pool(self) -> LoraPool:
        """The toy pool."""
        from freeshot.pool.store import open_pool

        return open_pool(POOL, self.backbone.sha256)

    def lora(self, way: int) -> LoraEntry:
        """Return a LoRA of the pool with a random head for `way` classes."""
        import torch

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
        import torch

        from freeshot.contracts.tensors import Shots, SurrogateSet

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
        from freeshot.pipeline.task_sampler import SurrogateSource, Tasks, TaskShape

        sets = [self.surrogates(way, shot + 2, masked=masked)]
        source = SurrogateSource(sets, TaskShape(way, shot, 2), 0.5, 4, self.backbone.device, flip=True)
        return Tasks(source.draw, {}, seed, on_step or (lambda done, total: None))

    def track(self, way: int, shot: int, episodes: int = 6) -> Track:
        """Return a track on synthetic images."""
        from freeshot.contracts.tracks import Track

        return Track(
            name=f"contract/{way}w{shot}s",
            dataset="contract-waves",
            pool="toy",
            sources=("contract-waves",),
            backbone="toy-vit",
            way=way,
            shot=shot,
            query=3,
            episodes=episodes,
        )


def offer_world(catalogue: Catalogue) -> None:
    """Register the data set of the contract tracks."""
    from types import ModuleType

    from freeshot.plugin import hookimpl
    from freeshot.plugin.host import PluginInfo

    def datasets() -> list[type[FewShotDataset]]:
        return [ContractWaves]

    plugin: Any = ModuleType("contract-world")
    plugin.freeshot_datasets = hookimpl(datasets)
    catalogue.host.register(plugin, PluginInfo("contract-world", "freeshot", ""))


def frozen_state(backbone: Backbone) -> Callable[[], str]:
    """Record the state of a network; the returned function describes changes to it, or returns ''."""
    from freeshot.engine.vit.backbone import weights_sha256

    hooks = _hooks(backbone)

    def complaint() -> str:
        if weights_sha256(backbone.vit) != backbone.sha256:
            return "The frozen network's weights were changed. Work on copies."
        if any(weight.grad is not None or weight.requires_grad for weight in backbone.vit.parameters()):
            return "The frozen network was left with gradients. Differentiate by your own tensors only."
        if _hooks(backbone) != hooks:
            return "A hook was left on the network. Remove it in a finally block."
        return ""

    return complaint


def _hooks(backbone: Backbone) -> int:
    return sum(
        len(part._forward_hooks) + len(part._forward_pre_hooks) + ("forward" in vars(part))  # noqa: SLF001
        for part in backbone.vit.modules()
    )


def same(first: Tensor, second: Tensor) -> bool:
    """Compare two tensors bit by bit."""
    import torch

    return first.shape == second.shape and torch.equal(first, second)
