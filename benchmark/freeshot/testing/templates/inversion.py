"""A new inversion method, which synthesises images from a LoRA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import InversionMethod, Teacher, hookimpl

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class Mine(InversionMethod):
    """Optimise noise by signs of the gradient until the LoRA classifies it with confidence."""

    name = "mine"
    iterations: int = 50
    """Gradient steps."""
    pace: float = 0.02
    """Change of a pixel per step, in 0…1."""

    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        """Return images [n, 3, h, w] in 0…1 of the classes `labels` [n]."""
        import torch
        from torch.nn.functional import cross_entropy

        side = teacher.image_size
        images = torch.rand(len(labels), 3, side, side, generator=rng).to(teacher.device)
        for _ in teacher.steps(self.iterations):  # counts, reports progress and can be interrupted
            images = images.detach().requires_grad_()
            loss = cross_entropy(teacher.logits(images), labels, reduction="sum")
            (slope,) = torch.autograd.grad(loss, images)
            images = (images - self.pace * slope.sign()).clamp(0, 1)
        return images.detach()


@hookimpl
def freeshot_inversion_methods() -> list[type[InversionMethod]]:
    """Register it: `-o inversion=mine`."""
    return [Mine]
