"""Pool LoRAs as teachers: a bank with heads, seen through an efficiency strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from freeshot.basics.errors import PoolError
from freeshot.engine.bank import LoraBank
from freeshot.engine.forward import look

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from freeshot.contracts.efficiency import EfficiencyStrategy
    from freeshot.contracts.pool import LoraEntry
    from freeshot.engine.backbone import Backbone


class PoolTeachers:
    """The LoRAs of a pool, one at a time; implements `freeshot.Teachers`."""

    def __init__(
        self,
        backbone: Backbone,
        entries: Sequence[LoraEntry],
        on_step: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        self._backbone, self._entries, self._on_step = backbone, entries, on_step
        self.image_size, self.device = backbone.image_size, backbone.device

    def __len__(self) -> int:
        return len(self._entries)

    def teacher(self, index: int) -> BankTeacher:
        """Return LoRA `index`, all tokens in use."""
        return BankTeacher(self._backbone, [self._entries[index]])

    def way(self, index: int) -> int:
        """Return how many classes it tells apart."""
        return len(self._entries[index].classes)

    def steps(self, count: int) -> Iterator[int]:
        """Count 0…count−1, reporting progress."""
        for step in range(count):
            yield step
            self._on_step(step + 1, count)


class BankTeacher:
    """A group of LoRAs in one forward pass; implements `freeshot.Teacher`."""

    def __init__(
        self,
        backbone: Backbone,
        entries: Sequence[LoraEntry],
        strategy: EfficiencyStrategy | None = None,
        on_step: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        if len({len(entry.classes) for entry in entries}) != 1:
            raise PoolError("LoRAs inverted together must have equally many classes. Invert them apart.")
        like = next(backbone.vit.parameters())
        self._backbone = backbone
        self._bank = LoraBank.of(entries, like).requires_grad_(False)
        self._weight = torch.stack([e.head_weight for e in entries]).to(like)  # [l, c, d]
        self._bias = torch.stack([e.head_bias for e in entries]).to(like)  # [l, c]
        self._strategy = strategy
        self._on_step = on_step
        self._progress = 0.0
        self.image_size = backbone.image_size
        self.mean, self.std = backbone.normalize.mean, backbone.normalize.std
        self.device = backbone.device

    def logits(self, images: Tensor) -> Tensor:
        """Return what each image's own LoRA says of it: [n, 3, h, w] in 0…1 → [n, c]."""
        return self._logits(look(self._backbone, images, self._bank, None, self._strategy, self._progress).features)

    def steps(self, count: int) -> Iterator[int]:
        """Count 0…count−1, telling the strategy how far the inversion has come."""
        for step in range(count):
            self._progress = step / count
            yield step
            self._on_step(step + 1, count)

    def plain_logits(self, images: Tensor) -> Tensor:
        """Return the logits with every token in use."""
        return self._logits(look(self._backbone, images, self._bank).features)

    def final_patches(self, images: Tensor) -> Tensor | None:
        """Return the patches [n, k] that the strategy keeps when the inversion is over."""
        return look(self._backbone, images, self._bank, None, self._strategy, 1.0).kept

    def _logits(self, features: Tensor) -> Tensor:
        n, d = features.shape
        grouped = features.reshape(len(self._weight), -1, d)  # [l, n / l, d]
        return (grouped @ self._weight.mT + self._bias.unsqueeze(1)).reshape(n, -1)
