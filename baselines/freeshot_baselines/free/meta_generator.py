"""FIVE: one meta-generator that adapts to any LoRA in a few steps, instead of pixel optimisation for each.

Axes: n images, z latent numbers, h × w pixels.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import LearnedInversion, Teacher, Teachers
from freeshot.basics.errors import ContractError
from freeshot_baselines.training_loop import descend

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn


@dataclass(frozen=True)
class MetaGenerator(LearnedInversion):
    """Train a generator that adapts in a few steps to synthesise images of any LoRA's classes (first-order MAML).

    The adversarial term of the paper, which seeks images that the meta-learner misclassifies, is omitted, because
    inversion and meta-learning are separate stages. Like the released code, it uses no batch-norm statistics, which a
    ViT does not have.
    """

    name = "meta-generator"
    citation = "Wei et al., FREE: Faster and Better Data-Free Meta-Learning, CVPR 2024"
    outer: int = 1000
    """Outer iterations. code: 1000 epochs."""
    group: int = 4
    """LoRAs per outer iteration. code: 4."""
    inner: int = 5
    """Adaptation steps per LoRA, in training and in inversion. code: 5."""
    lr: float = 1e-3
    """Learning rate of Adam, outer and inner. code: 1e-3."""
    latent: int = 256
    """Width of a latent vector. code: 256."""
    width: int = 64
    """Channels of the last feature maps; the first have twice as many. code: 64."""

    def learn(self, teachers: Teachers, per_class: int, rng: Generator) -> Mapping[str, Tensor]:
        """Return the weights of the meta-generator."""
        import torch

        from freeshot.engine.inversion.image_generator import fresh_generator

        generator = fresh_generator(teachers.image_size, self.latent, self.width, rng).to(teachers.device)
        optimizer = torch.optim.Adam(generator.parameters(), lr=self.lr, betas=(0.5, 0.999))
        for _ in teachers.steps(self.outer):
            gradients = [torch.zeros_like(weight) for weight in generator.parameters()]
            for index in torch.randperm(len(teachers), generator=rng)[: self.group].tolist():
                labels = torch.arange(teachers.way(index)).repeat_interleave(per_class).to(teachers.device)
                _, last = self._adapted(copy.deepcopy(generator), teachers.teacher(index), labels, rng)
                gradients = [total + gradient for total, gradient in zip(gradients, last, strict=True)]
            for weight, gradient in zip(generator.parameters(), gradients, strict=True):
                weight.grad = gradient / self.group
            optimizer.step()
        return {name: tensor.float() for name, tensor in generator.state_dict().items()}

    def synthesize_with(
        self, teacher: Teacher, labels: Tensor, rng: Generator, learned: Mapping[str, Tensor]
    ) -> Tensor:
        """Adapt the meta-generator to the teacher and return images of its adapted latents."""
        from freeshot.engine.inversion.image_generator import fresh_generator

        generator = fresh_generator(teacher.image_size, self.latent, self.width, rng).to(teacher.device)
        if set(learned) != set(generator.state_dict()):
            raise ContractError("The meta-generator was trained with other options. Clear the cache and rerun.")
        generator.load_state_dict(dict(learned))
        images, _ = self._adapted(generator, teacher, labels, rng, report=True)
        return images

    def _adapted(
        self, generator: nn.Module, teacher: Teacher, labels: Tensor, rng: Generator, *, report: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """Take the inner steps on generator and latents; return images [n, 3, h, w] and the last gradient."""
        import torch
        from torch.nn.functional import cross_entropy

        latents = torch.randn(len(labels), self.latent, generator=rng).to(teacher.device).requires_grad_()
        weights = list(generator.parameters())
        optimizer = torch.optim.Adam([*weights, latents], lr=self.lr, betas=(0.5, 0.999))
        gradients = [torch.zeros_like(weight) for weight in weights]
        for step in teacher.steps(self.inner) if report else range(self.inner):
            loss = cross_entropy(teacher.logits(generator(latents)), labels)
            descend(optimizer, loss, f"inversion '{self.name}'", step)
            gradients = [weight.grad.clone() for weight in weights if weight.grad is not None]
        with torch.no_grad():
            images: Tensor = generator(latents)
        return images.clamp(0, 1), gradients
