"""The floor: the same meta-learner and LoRA, on Gaussian noise that the LoRAs put their labels on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Choice, InversionMethod, Method, Needs

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from freeshot import Learner, Teacher, Workbench


@dataclass(frozen=True)
class GaussianNoise(InversionMethod):
    """Return normal noise in the network's normalised space, clamped to pixels, whatever was asked for."""

    name = "gaussian-noise"

    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        """Draw noise images [n, 3, h, w]."""
        import torch

        side = teacher.image_size
        noise = torch.randn(len(labels), 3, side, side, generator=rng).to(teacher.device)
        return (noise * teacher.std + teacher.mean).clamp(0, 1)


@dataclass(frozen=True)
class Noise(Method):
    """Meta-train on Gaussian images instead of recovered ones: what the training alone, without content, does."""

    name = "noise"
    needs = frozenset({Needs.POOL})
    role = "floor"
    learner: Choice = Choice("meta-learner", "prototype")
    """Meta-learner that trains the shared LoRA."""
    per_class: int = 40
    """Images per class of each LoRA."""
    lora_share: float = 0.5
    """Share of tasks that come from one LoRA, with its logits; the rest mixes classes across LoRAs."""
    rank: int = 4
    """Rank of the shared LoRA."""
    targets: tuple[str, ...] = ("q", "v")
    """Layers it acts on, of q, k, v, proj, fc1 and fc2. paper: q and v."""
    flip: bool = True
    """Flip images left to right at random."""

    def prepare(self, bench: Workbench) -> Learner:
        """Train one shared LoRA on tasks of noise."""
        images = bench.surrogates(Choice("inversion", "gaussian-noise"), Choice("efficiency", "none"), self.per_class)
        tasks = bench.surrogate_tasks(images, self.lora_share, flip=self.flip)
        return bench.adapted(bench.meta_learn(self.learner, tasks, self.rank, self.targets))
