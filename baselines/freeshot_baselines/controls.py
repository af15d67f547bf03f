"""The controls: floors that train without content, without labels or without choice, and the ceiling on real images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from freeshot import (
    Choice,
    InversionBasedMethod,
    InversionMethod,
    Learner,
    Method,
    Needs,
    SurrogateMethod,
    SurrogateSet,
    Teacher,
    Workbench,
)

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class GaussianNoise(InversionMethod):
    """Return normal noise in the network's normalised space, clamped to valid pixels, independent of the labels."""

    name = "gaussian-noise"

    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        """Draw noise images [n, 3, h, w]."""
        import torch

        side = teacher.image_size
        noise = torch.randn(len(labels), 3, side, side, generator=rng).to(teacher.device)
        return (noise * teacher.std + teacher.mean).clamp(0, 1)


@dataclass(frozen=True)
class Noise(SurrogateMethod):
    """Meta-train on Gaussian noise instead of surrogates: the effect of training without content."""

    name = "noise"
    role = "floor"
    learner: Choice = Choice("meta-learner", "prototype")
    """Meta-learner that trains the meta-LoRA."""

    def inversion_and_strategy(self) -> tuple[Choice, Choice]:
        """Return the noise inversion, with all tokens kept."""
        return Choice("inversion", "gaussian-noise"), Choice("strategy", "none")


@dataclass(frozen=True)
class ShuffledLabels(InversionBasedMethod):
    """Meta-train on surrogates with permuted images: the effect of images without their labels' meaning.

    Images are permuted across the whole pool, masks with them; labels and the LoRAs' logits stay. Tasks then have the
    sizes, images and labels of LoRA Recycle's, and no image has information about its label.
    """

    name = "shuffled-labels"
    role = "floor"
    learner: Choice = Choice("meta-learner", "prototype")
    inversion: Choice = Choice("inversion", "lora-inversion")
    strategy: Choice = Choice("strategy", "cls-attention")

    def prepare(self, bench: Workbench) -> Learner:
        """Invert the pool, permute the images, train the meta-LoRA, and embed with it."""
        surrogates = bench.surrogates(*self.inversion_and_strategy(), self.per_class, self.batch)
        permuted = shuffled(surrogates, bench.rng("shuffle"))
        return bench.adapted(bench.meta_learn(self.learner, self.tasks_of(bench, permuted), self.rank, self.targets))


def shuffled(sets: Sequence[SurrogateSet], rng: Generator) -> list[SurrogateSet]:
    """Permute the images of all sets, masks with them; labels and logits stay."""
    import torch

    images = torch.cat([s.shots.images for s in sets])
    masks = [s.shots.kept for s in sets if s.shots.kept is not None]
    masked = len(masks) == len(sets) and len({mask.shape[1] for mask in masks}) == 1
    kept = torch.cat(masks) if masked else None
    ends = torch.tensor([len(s.shots) for s in sets]).cumsum(0)[:-1]
    dealt = torch.randperm(len(images), generator=rng).tensor_split(ends)
    return [
        replace(s, shots=replace(s.shots, images=images[indices], kept=None if kept is None else kept[indices]))
        for s, indices in zip(sets, dealt, strict=True)
    ]


@dataclass(frozen=True)
class RandomLora(Method):
    """Embed with one LoRA of the pool, drawn at random; classify by the nearest class mean.

    A control: merging many LoRAs was found to be no better than random ones (2602.12323).
    """

    name = "random-lora"
    role = "floor"
    needs = frozenset({Needs.POOL})

    def prepare(self, bench: Workbench) -> Learner:
        """Draw a LoRA and embed with it."""
        import torch

        from freeshot.engine import adapter_of

        entries = bench.pool().entries
        drawn = entries[int(torch.randint(len(entries), (), generator=bench.rng("draw")))]
        return bench.adapted(adapter_of(drawn.factors, {"lora": drawn.name}))


@dataclass(frozen=True)
class RealData(Method):
    """Meta-train on the real base images: an upper bound for inversion. Not data-free."""

    name = "real-data"
    needs = frozenset({Needs.BASE_IMAGES})
    role = "ceiling"
    learner: Choice = Choice("meta-learner", "prototype")
    """Meta-learner that trains the meta-LoRA."""
    rank: int = 4
    """Rank of the meta-LoRA."""
    targets: tuple[str, ...] = ("q", "v")
    """Layers that the LoRA modifies, of q, k, v, proj, fc1 and fc2. paper: q and v."""
    flip: bool = True
    """Flip images left to right at random."""
    train_way: int = 0
    """Classes of a task in meta-training; 0: as many as at test."""
    train_shot: int = 0
    """Support images per class in meta-training; 0: as many as at test."""

    def prepare(self, bench: Workbench) -> Learner:
        """Train one meta-LoRA on tasks of real base classes."""
        tasks = bench.base_tasks(flip=self.flip, way=self.train_way, shot=self.train_shot)
        return bench.adapted(bench.meta_learn(self.learner, tasks, self.rank, self.targets))
