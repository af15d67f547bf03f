"""LoRAs behind a service: what they say of images can be had, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from freeshot.basics.errors import OptionError
from freeshot.engine.teacher import BankTeacher

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from freeshot.contracts.inversion import TeacherView
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


class QueryTeacher(BankTeacher):
    """A LoRA behind a service, for inversion: it answers and counts; no gradient and no layer comes out of it."""

    queries: int = 0
    """How many images it was asked about."""

    def logits(self, images: Tensor) -> Tensor:
        """Say what images [n, 3, h, w] in 0…1 show: [n, c]."""
        self._require_no_gradient(images)
        self.queries += len(images)
        with torch.no_grad():
            return super().logits(images)

    def plain_logits(self, images: Tensor) -> Tensor:
        """Say the same with every token in use."""
        self._require_no_gradient(images)
        self.queries += len(images)
        with torch.no_grad():
            return super().plain_logits(images)

    def inside(self, images: Tensor) -> TeacherView:
        """Refuse: a service shows no layers."""
        raise OptionError(
            "A LoRA behind a service shows nothing but logits, and this inversion asks for its layers. Choose another, "
            "such as -o inversion=zeroth-order."
        )

    def _require_no_gradient(self, images: Tensor) -> None:
        if images.requires_grad and torch.is_grad_enabled():
            raise OptionError(
                "No gradient comes back from a LoRA behind a service, and this inversion waits for one. Choose "
                "another, such as -o inversion=zeroth-order."
            )


def _answering(backbone: Backbone, entry: LoraEntry) -> Callable[[Tensor], Tensor]:
    teacher = BankTeacher(backbone, [entry])

    def answer(images: Tensor) -> Tensor:
        with torch.no_grad():
            return teacher.plain_logits(images.detach().to(backbone.device))

    return answer
