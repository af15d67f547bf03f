"""Zeroth-order inversion of black-box LoRAs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import InversionMethod, Teacher
from freeshot.basics.errors import DivergedError, OptionError

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class ZerothOrder(InversionMethod):
    """Train a generator on gradients estimated from the LoRA's logits of slightly moved images.

    Re-implementation. Only the LoRA's logits are used, without gradient. The generator is re-initialised for each LoRA;
    its own part of the gradient is exact, by back-propagation. Smoothing is in units of 0…1 pixels.
    """

    name = "zeroth-order"
    citation = "Hu et al., Learning to Learn from APIs: Black-Box Data-Free Meta-Learning, ICML 2023"
    iterations: int = 200
    """Steps of Adam on generator and latents. code: 200."""
    lr: float = 1e-3
    """Learning rate. code: 1e-3."""
    directions: int = 100
    """Random directions per image and step, each one query. code: 100."""
    smoothing: float = 0.005
    """Step length along the directions. code: 0.005, on normalised images."""
    grid: int = 0
    """Directions vary over a grid of this side, so that fewer are needed; 0: over all pixels, as in the paper."""
    latent: int = 256
    """Width of a latent vector. code: 256."""
    width: int = 64
    """Channels of the generator's last feature maps; the first have twice as many; ours."""
    total_variation: float = 0.0
    """Weight of the mean squared difference of neighbouring pixels, which costs no query. paper: none."""

    def __post_init__(self) -> None:
        if self.directions < 1 or self.smoothing <= 0:
            raise OptionError(
                f"Inversion 'zeroth-order' needs positive values, but directions={self.directions} and "
                f"smoothing={self.smoothing}. Increase them."
            )

    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        """Return images [n, 3, h, w] in 0…1."""
        import torch
        from torch.nn.functional import cross_entropy

        from freeshot.engine.inversion.image_generator import fresh_generator
        from freeshot.engine.inversion.pixel_optimizer import total_variation
        from freeshot.engine.inversion.zeroth_order import estimated_gradient

        self._require_grid(teacher.image_size)

        def losses(images: Tensor) -> Tensor:
            with torch.no_grad():
                logits = teacher.logits(images)
            copies = len(images) // len(labels)
            return cross_entropy(logits, labels.repeat_interleave(copies), reduction="none")

        generator = fresh_generator(teacher.image_size, self.latent, self.width, rng).to(teacher.device)
        latents = torch.randn(len(labels), self.latent, generator=rng).to(teacher.device).requires_grad_()
        optimizer = torch.optim.Adam([*generator.parameters(), latents], lr=self.lr, betas=(0.5, 0.999))
        for step in teacher.steps(self.iterations):
            images: Tensor = generator(latents)
            estimate = estimated_gradient(losses, images, self.directions, self.smoothing, rng, self.grid)
            if not torch.isfinite(estimate.gradient).all():
                raise DivergedError(f"The estimated gradient is not finite at step {step}. Lower the inversion's lr.")
            surrogate = (images * estimate.gradient).sum() / len(labels)  # its gradient is the estimate
            if self.total_variation:
                surrogate = surrogate + self.total_variation * total_variation(images)
            optimizer.zero_grad()
            surrogate.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        with torch.no_grad():
            final: Tensor = generator(latents)
        return final.clamp(0, 1)

    def _require_grid(self, side: int) -> None:
        if self.grid and side % self.grid:
            raise OptionError(
                f"Option 'grid' of 'zeroth-order' is {self.grid}, which does not divide the image's side {side}. "
                "Choose a divisor, or 0 for all pixels."
            )
