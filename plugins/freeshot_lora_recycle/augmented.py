"""LoRA Recycle's meta-learner on augmented images: each task shows other crops and colours of its surrogates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from freeshot.basics.errors import OptionError
from freeshot_lora_recycle.prototype import Prototype

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from freeshot import Model, Shots, Task


@dataclass(frozen=True)
class AugmentedPrototype(Prototype):
    """Prototype learner on random crops and colours, which add the variety within a class that surrogates lack.

    Images with a mask are not cropped, because their kept patches would move; only their colours change. The logits of
    a LoRA are those of the unchanged image.
    """

    name = "augmented-prototype"
    citation = (
        "Hu et al., LoRA Recycle, CVPR 2025, whose code changes colours; crops as in Chen et al., SimCLR, ICML 2020"
    )
    crop: float = 0.3
    """Smallest share of an image's pixels in a random crop; 1: no crops. SimCLR: 0.08."""
    color: float = 0.8
    """Strength of changes of brightness, channels and contrast; 0: none."""

    def __post_init__(self) -> None:
        if not 0 < self.crop <= 1:
            raise OptionError(f"Option 'crop' of '{self.name}' must be in (0, 1], but is {self.crop}.")
        if not 0 <= self.color <= 1:
            raise OptionError(f"Option 'color' of '{self.name}' must be in 0…1, but is {self.color}.")

    def compute_gradients(self, model: Model, task: Task, rng: Generator) -> Tensor:
        """Write the gradients of the loss on augmented images, and return the loss."""
        support, query = (self._augmented(shots, rng) for shots in (task.support, task.query))
        return super().compute_gradients(model, replace(task, support=support, query=query), rng)

    def _augmented(self, shots: Shots, rng: Generator) -> Shots:
        from freeshot_lora_recycle.augmentation import random_crops, recoloured

        images = shots.images  # [n, 3, h, w]
        if self.crop < 1 and shots.kept is None:
            images = random_crops(images, self.crop, rng)
        if self.color:
            images = recoloured(images, self.color, rng)
        return replace(shots, images=images)
