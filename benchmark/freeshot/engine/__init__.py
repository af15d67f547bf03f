"""The forward engine: banks of stacked LoRAs on a frozen ViT, with tokens dropped by an efficiency strategy."""

from __future__ import annotations

from freeshot.engine.backbone import Backbone, open_backbone, weights_sha256
from freeshot.engine.bank import LoraBank, merge, slots_of
from freeshot.engine.factors import padded, product_svd
from freeshot.engine.forward import Seen, look
from freeshot.engine.learners import AdaptedLearner
from freeshot.engine.model import SharedLora, adapter_of, factors_of
from freeshot.engine.teacher import BankTeacher
from freeshot.engine.trunk import Trunk

__all__ = [
    "AdaptedLearner",
    "Backbone",
    "BankTeacher",
    "LoraBank",
    "Seen",
    "SharedLora",
    "Trunk",
    "adapter_of",
    "factors_of",
    "look",
    "merge",
    "open_backbone",
    "padded",
    "product_svd",
    "slots_of",
    "weights_sha256",
]
