"""A learnable data set: the pixels of all classes, from which episodes are drawn.

Axes: c classes, k images per class, 3 × h × w pixels. Pixels are in the network's normalised space.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Generator, Tensor

from freeshot import Shots, Task
from freeshot_baselines.heads.custom_head import labels_of
from freeshot_baselines.training_loop import descend


class LearnableImages:
    """Pixels of every class of any LoRA; a class that two LoRAs share is stored once."""

    def __init__(
        self,
        class_ids: Iterable[int],
        per_class: int,
        side: int,
        bounds: tuple[Tensor, Tensor],
        lr: float,
        rng: Generator,
    ) -> None:
        self._mean, self._std = bounds
        self._low, self._high = -self._mean / self._std, (1 - self._mean) / self._std
        self._pixels = {
            name: torch.randn(per_class, 3, side, side, generator=rng).to(self._mean).requires_grad_()
            for name in sorted(set(class_ids))
        }
        # classes without gradient in a step are not changed by Adam
        self._optimizer = torch.optim.Adam(self._pixels.values(), lr=lr)

    def pixels(self, class_ids: Sequence[int]) -> Tensor:
        """Return the pixels of some classes, class by class: [c·k, 3, h, w]; differentiable."""
        return torch.cat([self._pixels[name] for name in class_ids])

    def images(self, pixels: Tensor) -> Tensor:
        """Convert pixels to 0…1."""
        return pixels * self._std + self._mean

    def step(self, loss: Tensor, step: int = 0) -> None:
        """Take an optimiser step on a loss, and clamp to valid colours."""
        descend(self._optimizer, loss, "the images of 'purer'", step, "pixel_lr")
        self._optimizer.zero_grad()  # episodes of the learner would add to these gradients
        with torch.no_grad():
            for pixels in self._pixels.values():
                pixels.copy_(pixels.maximum(self._low).minimum(self._high))

    def episode(self, way: int, shot: int, query: int, rng: Generator) -> Task:
        """Draw an episode, differentiable in the pixels, with other classes and images each time."""
        names = list(self._pixels)
        chosen = [names[index] for index in torch.randperm(len(names), generator=rng)[:way].tolist()]
        support, queries = [], []
        for name in chosen:
            order = torch.randperm(len(self._pixels[name]), generator=rng)[: shot + query]
            shuffled = self.images(self._pixels[name][order.to(self._mean.device)])  # [shot + query, 3, h, w]
            support.append(shuffled[:shot])
            queries.append(shuffled[shot:])
        return Task(_shots(support), _shots(queries), way)


class Curriculum:
    """Request harder images when training accuracy has stopped rising."""

    def __init__(self, patience: int, warmup: int) -> None:
        self._patience, self._warmup = patience, warmup
        self._best, self._waited, self._steps = -1.0, 0, 0

    def harder(self, accuracy: float) -> bool:
        """Add the accuracy of a step; return True and reset if it has not risen for `patience` steps."""
        self._steps += 1
        if accuracy > self._best:
            self._best, self._waited = accuracy, 0
            return False
        self._waited += 1
        if self._waited < self._patience or self._steps <= self._warmup:
            return False
        self._best, self._waited = -1.0, 0
        return True


def _shots(classes: Sequence[Tensor]) -> Shots:
    """Join the images of each class."""
    images = torch.cat(list(classes))
    return Shots(images, labels_of(images.unsqueeze(0), len(classes)))
