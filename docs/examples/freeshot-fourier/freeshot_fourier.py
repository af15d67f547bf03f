"""An inversion method: optimise waves instead of pixels."""

from dataclasses import dataclass

from freeshot import InversionMethod, hookimpl


@dataclass(frozen=True)
class Fourier(InversionMethod):
    """Optimise the amplitudes of the slowest waves until the LoRA classifies the image with confidence."""

    name = "fourier"
    iterations: int = 50
    """Optimiser steps."""
    waves: int = 6
    """Slowest waves per axis."""

    def synthesize(self, teacher, labels, rng):
        import torch
        from torch.nn.functional import cross_entropy

        waves, side = self.waves, teacher.image_size
        amplitudes = torch.randn(len(labels), 3, waves, waves, 2, generator=rng).to(teacher.device).requires_grad_()
        optimizer = torch.optim.Adam([amplitudes], lr=0.3)

        def images():  # slow waves only, so that nothing but broad shapes can appear
            return torch.fft.irfft2(torch.view_as_complex(amplitudes), s=(side, side), norm="forward").sigmoid()

        for _ in teacher.steps(self.iterations):
            optimizer.zero_grad()
            cross_entropy(teacher.logits(images()), labels, reduction="sum").backward()
            optimizer.step()
        return images().detach()


@hookimpl
def freeshot_inversion_methods():
    return [Fourier]
