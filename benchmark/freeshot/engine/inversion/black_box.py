"""Black-box access to LoRAs: logits only."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from freeshot.basics.errors import OptionError
from freeshot.contracts.inversion import TeacherView
from freeshot.contracts.pool import LoraEntry
from freeshot.engine.inversion.teacher import BankTeacher
from freeshot.engine.vit.backbone import Backbone


class QueryOracle:
    """A LoRA that returns logits, counts queries and hides its weights in a closure; implements `freeshot.Oracle`."""

    def __init__(self, backbone: Backbone, entry: LoraEntry) -> None:
        teacher = BankTeacher(backbone, [entry])
        self.classes, self.image_size = entry.classes, backbone.image_size
        self.queries = 0
        self._compute: Callable[[Tensor], Tensor] = lambda images: teacher.plain_logits(images.to(backbone.device))

    def logits(self, images: Tensor) -> Tensor:
        """Return the logits of images [n, 3, h, w] in 0…1: [n, c]; no gradient flows back."""
        self.queries += len(images)
        with torch.no_grad():
            return self._compute(images.detach())


class QueryTeacher(BankTeacher):
    """A black-box LoRA for inversion: returns logits and counts queries, without gradients or layers."""

    queries: int = 0
    """Number of images it has scored."""

    def logits(self, images: Tensor) -> Tensor:
        """Return the logits of images [n, 3, h, w] in 0…1: [n, c]."""
        return self._query(super().logits, images)

    def plain_logits(self, images: Tensor) -> Tensor:
        """Return the logits [n, c] with all tokens in use."""
        return self._query(super().plain_logits, images)

    def logits_and_tokens(self, images: Tensor) -> TeacherView:
        """Raise OptionError, because a black-box LoRA exposes no layers."""
        raise OptionError(
            "A LoRA behind a service returns logits only, but this inversion needs its layers. Choose another, "
            "such as -o inversion=zeroth-order."
        )

    def _query(self, compute: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        if images.requires_grad and torch.is_grad_enabled():
            raise OptionError(
                "A LoRA behind a service returns no gradients, but this inversion needs them. Choose "
                "another, such as -o inversion=zeroth-order."
            )
        self.queries += len(images)
        with torch.no_grad():
            return compute(images)
