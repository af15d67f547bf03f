"""LoRAs behind a service: what they say of images can be had, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from freeshot.engine.teacher import BankTeacher

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from freeshot.contracts.pool import LoraEntry
    from freeshot.engine.backbone import Backbone


class QueryOracle:
    """A LoRA that answers, counts what it is asked and keeps its weights in a closure; implements `freeshot.Oracle`."""

    def __init__(self, backbone: Backbone, entry: LoraEntry) -> None:
        self.classes, self.image_size = entry.classes, backbone.image_size
        self.queries = 0
        self._answer = _answering(backbone, entry)

    def logits(self, images: Tensor) -> Tensor:
        """Say what images [n, 3, h, w] in 0…1 show: [n, c]; no gradient comes back."""
        self.queries += len(images)
        return self._answer(images)


def _answering(backbone: Backbone, entry: LoraEntry) -> Callable[[Tensor], Tensor]:
    teacher = BankTeacher(backbone, [entry])

    def answer(images: Tensor) -> Tensor:
        with torch.no_grad():
            return teacher.plain_logits(images.detach().to(backbone.device))

    return answer
