"""The learner of most methods: the backbone, optionally with an adapter, as a feature extractor."""

from __future__ import annotations

from torch import Tensor, nn

from freeshot.contracts.method import Learner
from freeshot.contracts.tensors import Adapter
from freeshot.engine.lora.bank import merge
from freeshot.engine.lora.meta_model import bank_of
from freeshot.engine.vit.backbone import Backbone


class AdaptedLearner(Learner):
    """Embed with the frozen backbone and the adapter merged into its weights: no extra cost at test time."""

    def __init__(self, backbone: Backbone, adapter: Adapter | None = None) -> None:
        self.adapter = adapter
        """The merged adapter; None for the unchanged backbone."""
        self._normalize = backbone.normalize
        self._vit = backbone.vit
        if adapter is not None:
            self._vit = merge(backbone.vit, bank_of(adapter, next(backbone.vit.parameters())))

    @property
    def network(self) -> nn.Module:
        """The backbone's transformer with the adapter merged into it."""
        return self._vit

    def embed(self, images: Tensor) -> Tensor:
        """Map images [b, 3, h, w] in 0…1 to features [b, d], using all tokens."""
        features: Tensor = self._vit(self._normalize(images))  # [b, d]
        return features
