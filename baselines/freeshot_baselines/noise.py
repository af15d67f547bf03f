"""The floor: the same meta-learner and LoRA, on Gaussian noise labelled by the LoRAs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Choice, InversionMethod, SurrogateMethod

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from freeshot import Teacher


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
        return Choice("inversion", "gaussian-noise"), Choice("efficiency", "none")
