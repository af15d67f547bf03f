"""CMI: contrastive model inversion, which makes images of one class differ from each other.

Axes: n images, m stored images, f width of a fingerprint, d features of a layer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from freeshot import InversionMethod, Teacher
from freeshot.basics.errors import OptionError
from freeshot_baselines.training_loop import descend

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

FINGERPRINT = 128
"""Width of image fingerprints. paper: 128."""


@dataclass(frozen=True)
class Cmi(InversionMethod):
    """Synthesise images batch by batch with one generator per batch, contrasting every image with all earlier ones.

    Re-implementation. The paper compares the inputs of batch norms; a ViT has none, so the class tokens after several
    blocks are compared. Batch-norm statistics and the adversarial term are omitted, the latter because there is no
    student during inversion. The memory is reset for each LoRA.
    """

    name = "cmi"
    citation = "Fang et al., Contrastive Model Inversion for Data-Free Knowledge Distillation, IJCAI 2021"
    iterations: int = 200
    """Steps of Adam for each batch; ours."""
    rounds: int = 4
    """Number of batches per LoRA, each from a new generator; ours."""
    lr: float = 1e-3
    """Learning rate of generator and fingerprints; ours."""
    lr_latent: float = 0.01
    """Learning rate of the latents; ours."""
    contrast: float = 0.8
    """Weight of the contrastive term. code: 0.8."""
    temperature: float = 0.1
    """Of the contrastive term. code: 0.1."""
    layers: tuple[int, ...] = ()
    """Blocks whose class tokens are compared, counted from 0; empty: all."""
    crop: float = 0.5
    """Side of the local view, as a share of the image's; ours."""
    latent: int = 256
    """Width of a latent vector."""
    width: int = 64
    """Channels of the generator's last feature maps; the first have twice as many; ours."""

    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        """Return images [n, 3, h, w] in 0…1."""
        import torch

        rounds = max(count for count in range(1, max(self.rounds, 1) + 1) if len(labels) % count == 0)
        clock = iter(teacher.steps(rounds * self.iterations))
        images = torch.empty(len(labels), 3, teacher.image_size, teacher.image_size, device=teacher.device)
        head: nn.Module | None = None
        memory = torch.empty(0, FINGERPRINT, device=teacher.device)
        for number in range(rounds):
            steps = islice(clock, self.iterations)
            images[number::rounds], head, memory = self._batch(
                teacher, labels[number::rounds], rng, steps, head, memory
            )
        return images.clamp(0, 1)

    def _batch(
        self,
        teacher: Teacher,
        labels: Tensor,
        rng: Generator,
        steps: Iterable[int],
        head: nn.Module | None,
        memory: Tensor,
    ) -> tuple[Tensor, nn.Module | None, Tensor]:
        """Synthesise one batch [n, 3, h, w].

        Return it with the fingerprint head and the memory extended by the batch.
        """
        import torch
        from torch.nn.functional import cross_entropy, normalize

        from freeshot.engine.inversion.image_generator import fresh_generator
        from freeshot.engine.inversion.pixel_optimizer import jittered

        generator = fresh_generator(teacher.image_size, self.latent, self.width, rng).to(teacher.device)
        latents = torch.randn(len(labels), self.latent, generator=rng).to(teacher.device).requires_grad_()
        groups: list[dict[str, Any]] = [
            {"params": [*generator.parameters()]},
            {"params": [latents], "lr": self.lr_latent},
        ]
        optimizer = torch.optim.Adam(groups, lr=self.lr, betas=(0.5, 0.999))
        prints = torch.empty(0)
        for step in steps:
            drawn = generator(latents)
            local = teacher.logits_and_tokens(cropped(drawn, self.crop, rng))
            full = teacher.logits_and_tokens(jittered(drawn, rng, 0.125, flip=True))
            tokens, local_tokens = self.fingerprintable(full.tokens), self.fingerprintable(local.tokens)
            if head is None:
                head = _fingerprint_head(tokens.shape[1], rng).to(teacher.device)
            if len(optimizer.param_groups) == len(groups):
                optimizer.add_param_group({"params": [*head.parameters()]})
            prints = normalize(head(tokens), dim=1)  # [n, f]
            contrast = contrastive_loss(prints, normalize(head(local_tokens), dim=1), memory, self.temperature)
            loss = cross_entropy(full.logits, labels) + self.contrast * contrast
            descend(optimizer, loss, f"inversion '{self.name}'", step)
        with torch.no_grad():
            images: Tensor = generator(latents)
        memory = torch.cat([memory, prints.detach()]) if len(prints) else memory
        return images.detach(), head, memory

    def fingerprintable(self, tokens: Tensor) -> Tensor:
        """Concatenate the class tokens [n, layers, d] of the chosen blocks, each scaled equally: [n, layers · d]."""
        from torch.nn.functional import layer_norm

        depth = tokens.shape[1]
        if not all(-depth <= layer < depth for layer in self.layers):
            raise OptionError(f"Option 'layers' of 'cmi' names {self.layers}, but the backbone has {depth} blocks.")
        chosen = tokens[:, list(self.layers)] if self.layers else tokens
        return layer_norm(chosen, chosen.shape[-1:]).flatten(1)


def contrastive_loss(prints: Tensor, other_views: Tensor, memory: Tensor, temperature: float) -> Tensor:
    """Return the contrastive loss of each image's other view against all other images, a scalar.

    −log e^{⟨a_i,b_i⟩/τ} / Σ e^{⟨a_i,·⟩/τ}, with unit fingerprints: `prints` [n, f], of the other views [n, f], of
    earlier images [m, f].
    """
    import torch
    from torch.nn.functional import cross_entropy

    likeness = prints @ torch.cat([other_views, memory]).mT / temperature  # [n, n + m]
    return cross_entropy(likeness, torch.arange(len(prints), device=prints.device))


def cropped(images: Tensor, share: float, rng: Generator) -> Tensor:
    """Crop one random window of all images [n, 3, h, w] and resize it to full size."""
    import torch
    from torch.nn.functional import interpolate

    side = images.shape[-1]
    small = max(1, round(side * share))
    top, left = torch.randint(side - small + 1, (2,), generator=rng).tolist()
    window = images[..., top : top + small, left : left + small]
    return interpolate(window, size=(side, side), mode="bilinear", align_corners=False)


def _fingerprint_head(inputs: int, rng: Generator) -> nn.Module:
    from torch import nn

    from freeshot.engine.inversion.image_generator import start_from

    head = nn.Sequential(nn.Linear(inputs, 2 * FINGERPRINT), nn.ReLU(), nn.Linear(2 * FINGERPRINT, FINGERPRINT))
    start_from(head, rng)
    return head
