"""How seconds grow with LoRAs, images, tasks, episodes and the backbone, with the exponents of power laws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from tests.performance.measure import Table, exponent, in_turn
from tests.performance.setting import pocket, random_lora
from torch import Tensor

from freeshot.contracts.pool import LoraEntry
from freeshot.contracts.tensors import SurrogateSet
from freeshot.engine import Backbone, BankTeacher, SharedLora, open_backbone
from freeshot.engine.inversion.teacher import patch_side
from freeshot.engine.metering.flops import flops_of
from freeshot.evaluation.episodes import draw_episodes
from freeshot.evaluation.scoring import Embedded, score_episodes
from freeshot.pipeline.inversion import invert, surrogate_set
from freeshot.pipeline.task_sampler import SurrogateSource, Tasks, TaskShape
from freeshot.pool.store import open_pool
from freeshot_lora_recycle.inversion import LoraInversion
from freeshot_lora_recycle.prototype import Prototype
from freeshot_vision.backbones.providers import TimmVit
from freeshot_vision.pocket import POOL

LORAS, IMAGES, TASKS, EPISODES = (5, 10, 20), (25, 50, 100), (3, 6, 12), (600, 2400, 9600)
MODELS = ("vit_tiny_patch16_224", "vit_small_patch16_224", "vit_base_patch16_224")
SIDE = 64
"""Pixels of the images of the larger networks."""
ROUNDS = 2
CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class Growth:
    """Work of several sizes."""

    what: str
    sizes: dict[str, float]
    """Label of each size, and its value."""
    runs: Sequence[Callable[[], object]]

    def row(self) -> tuple[str, ...]:
        """Time all sizes in turn and fit the exponent."""
        seconds = [*in_turn(dict(zip(self.sizes, self.runs, strict=True)), ROUNDS).values()]
        fitted = exponent([*self.sizes.values()], seconds)
        return self.what, ", ".join(self.sizes), ", ".join(f"{s:.2f}" for s in seconds), f"{fitted:.2f}"


def counted(what: str, sizes: Sequence[int], run: Callable[[int], object]) -> Growth:
    """Return work that depends on a number."""
    return Growth(what, {f"{size:,}": size for size in sizes}, [partial(run, size) for size in sizes])


def inverted(backbone: Backbone, entries: Sequence[LoraEntry], per_class: int, steps: int = 2) -> list[SurrogateSet]:
    """Invert LoRAs one after the other."""
    method, rng = LoraInversion(iterations=steps, prior="none"), torch.Generator().manual_seed(0)
    made = [invert(BankTeacher(backbone, [entry]), entry, method, per_class, rng, None) for entry in entries]
    return [surrogate_set(entry, artifact) for entry, artifact in zip(entries, made, strict=True)]


def trained(backbone: Backbone, surrogates: Sequence[SurrogateSet], tasks: int) -> None:
    """Meta-train on 5-way 1-shot tasks of 80 images."""
    source = SurrogateSource(surrogates, TaskShape(5, 1, 15), 0.5, patch_side(backbone.vit), CPU, flip=True)
    model = SharedLora(backbone, 4, torch.Generator().manual_seed(0))
    Prototype(iterations=tasks).fit(model, Tasks(source.draw, {}, 0), torch.Generator().manual_seed(0))


def by_backbone(images: int = 10) -> Growth:
    """Return the inversion of one LoRA of ViT-Ti, S and B; their size is the operations of a step."""
    sizes, runs = {}, list[Callable[[], object]]()
    for model in MODELS:
        backbone = open_backbone(TimmVit(model=model, weights="random", side=SIDE))
        work = flops_of(backbone).executed
        sizes[f"{model.split('_')[1]} ({work / 1e9:.1f})"] = work
        entry = replace(random_lora(backbone), name=model)
        runs.append(partial(inverted, backbone, [entry], images // 5))
    return Growth(f"ViT, GFLOP an image and step at {SIDE} px ({images} images inverted)", sizes, runs)


def scored(features: Tensor, labels: Tensor) -> Callable[[int], object]:
    """Return a function that scores a number of 5-way 1-shot episodes of these features."""
    episodes = draw_episodes(labels.numpy(), 5, 1, 15, 0, max(EPISODES))
    embedded = Embedded(tuple(range(len(labels))), features, torch.arange(len(labels)))
    return lambda count: score_episodes(embedded, episodes[:count])


def bench() -> Table:
    """Measure each kind of growth."""
    backbone = pocket().backbone
    entries = open_pool(POOL, backbone.sha256).entries
    surrogates = inverted(backbone, entries[:2], 16, steps=1)
    features, labels = torch.randn(6000, 128), torch.arange(60).repeat_interleave(100)
    growths = (
        counted("LoRAs (10 images each inverted)", LORAS, lambda n: inverted(backbone, entries[:n], 2)),
        counted("images of one LoRA, inverted", IMAGES, lambda n: inverted(backbone, entries[:1], n // 5, steps=4)),
        counted("tasks of meta-training", TASKS, partial(trained, backbone, surrogates)),
        counted("episodes scored", EPISODES, scored(features, labels)),
        by_backbone(),
    )
    note = (
        "pocket-vit unless a ViT is named. The exponent is the slope of a line through the logarithms of sizes and "
        "seconds. To reach: at most 1; below it fixed costs are shared or larger products are faster."
    )
    heads = ("what grows", "sizes", "s", "exponent")
    return Table("Scaling", note, heads, tuple(growth.row() for growth in growths))
