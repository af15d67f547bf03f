"""The forward engine: banks of stacked LoRAs on a frozen ViT, with tokens dropped by an efficiency strategy."""

from __future__ import annotations

from freeshot.engine.inversion.teacher import BankTeacher
from freeshot.engine.lora.adapted_learner import AdaptedLearner
from freeshot.engine.lora.bank import LoraBank, merge, slots_of
from freeshot.engine.lora.low_rank import padded, product_svd
from freeshot.engine.lora.meta_model import SharedLora, adapter_of, factors_of
from freeshot.engine.lora.pool_mean import mean_as_lora, slots_of_all
from freeshot.engine.vit.backbone import Backbone, open_backbone, weights_sha256
from freeshot.engine.vit.episode_backbone import EpisodeBackbone
from freeshot.engine.vit.forward import ForwardOutput, forward

__all__ = [
    "AdaptedLearner",
    "Backbone",
    "BankTeacher",
    "EpisodeBackbone",
    "ForwardOutput",
    "LoraBank",
    "SharedLora",
    "adapter_of",
    "factors_of",
    "forward",
    "mean_as_lora",
    "merge",
    "open_backbone",
    "padded",
    "product_svd",
    "slots_of",
    "slots_of_all",
    "weights_sha256",
]
