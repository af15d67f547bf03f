"""The learner of most methods: the backbone, optionally with an adapter, as a feature extractor."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from freeshot.contracts.method import Learner
from freeshot.contracts.tensors import Adapter
from freeshot.engine.lora.bank import merge
from freeshot.engine.lora.meta_model import bank_of
from freeshot.engine.vit.backbone import Backbone
from freeshot.engine.vit.forward import forward


def with_adapter(backbone: Backbone, adapter: Adapter | None) -> Backbone:
    """Return the backbone with the adapter merged into its weights; without an adapter the same backbone."""
    if adapter is None:
        return backbone
    bank = bank_of(adapter, next(backbone.vit.parameters()))
    return replace(backbone, vit=merge(backbone.vit, bank))


class AdaptedLearner(Learner):
    """Embed with the frozen backbone and the adapter merged into its weights: no extra cost at test time."""

    def __init__(self, backbone: Backbone, adapter: Adapter | None = None) -> None:
        self.adapter = adapter
        """The merged adapter; None for the unchanged backbone."""
        self._backbone = with_adapter(backbone, adapter)

    @property
    def network(self) -> nn.Module:
        """The backbone's transformer with the adapter merged into it, in full precision."""
        return self._backbone.vit

    def embed(self, images: Tensor) -> Tensor:
        """Map images [b, 3, h, w] in 0…1 to features [b, d], using all tokens."""
        return forward(self._backbone, images).features  # [b, d]
