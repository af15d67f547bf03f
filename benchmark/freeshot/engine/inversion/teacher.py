"""Pool LoRAs as teachers: a LoRA bank with classification heads, under an efficiency strategy."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import torch

from freeshot.basics.errors import PoolError
from freeshot.basics.step_limit import bounded
from freeshot.contracts.inversion import TeacherView
from freeshot.contracts.tensors import Checkpoint
from freeshot.engine.lora.bank import LoraBank
from freeshot.engine.vit.forward import forward, require_class_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor, nn

    from freeshot.contracts.pool import LoraEntry
    from freeshot.contracts.strategy import EfficiencyStrategy
    from freeshot.engine.vit.backbone import Backbone
    from freeshot.engine.vit.forward import ForwardOutput


def patch_side(vit: nn.Module) -> int:
    """Return the number of patches per row; 1 if the network does not define it."""
    return int(getattr(getattr(vit, "patch_embed", None), "grid_size", (1, 1))[1])


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
        """Return LoRA `index`, with all tokens in use."""
        return BankTeacher(self._backbone, [self._entries[index]])

    def way(self, index: int) -> int:
        """Return the number of classes of LoRA `index`."""
        return len(self._entries[index].classes)

    def steps(self, count: int) -> Iterator[int]:
        """Count 0…count−1 and report progress."""
        for step in range(bounded(count)):
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
        checkpoint: Checkpoint | None = None,
    ) -> None:
        if len({len(entry.classes) for entry in entries}) != 1:
            raise PoolError("LoRAs inverted together must have equally many classes. Invert them separately.")
        like = next(backbone.vit.parameters())
        self._backbone = backbone
        self._bank = LoraBank.of(entries, like).requires_grad_(False)
        self._weight = torch.stack([e.head_weight for e in entries]).to(like)  # [l, c, d]
        self._bias = torch.stack([e.head_bias for e in entries]).to(like)  # [l, c]
        self._strategy = strategy
        self._on_step = on_step
        self._progress = 0.0
        self.checkpoint = checkpoint or Checkpoint()
        self.image_size = backbone.image_size
        self.mean, self.std = backbone.normalize.mean, backbone.normalize.std
        self.device = backbone.device

    def logits(self, images: Tensor) -> Tensor:
        """Return the logits of each image's own LoRA: [n, 3, h, w] in 0…1 → [n, c]."""
        return self._classify(self._forward(images, self._progress).features)

    def logits_and_tokens(self, images: Tensor) -> TeacherView:
        """Return the logits together with the class token after each block."""
        require_class_token(self._backbone.vit)
        tokens: list[Tensor] = []
        blocks = self._backbone.computing.get_submodule("blocks").children()
        with ExitStack() as stack:
            for block in blocks:
                stack.enter_context(block.register_forward_hook(lambda _, __, out: tokens.append(out[:, 0])))  # [n, d]
            logits = self.logits(images)
        return TeacherView(logits, torch.stack(tokens, dim=1))  # tokens [n, layers, d]

    def steps(self, count: int, start: int = 0) -> Iterator[int]:
        """Count start…count−1 and pass the progress to the strategy."""
        for step in range(start, bounded(count)):
            self._progress = step / count
            yield step
            self._on_step(step + 1, count)

    def plain_logits(self, images: Tensor) -> Tensor:
        """Return the logits [n, c] with all tokens in use."""
        return self._classify(forward(self._backbone, images, self._bank).features)

    def final_patches(self, images: Tensor) -> Tensor | None:
        """Return the patches [n, k] of the strategy's final mask."""
        return self._forward(images, 1.0).kept

    def _forward(self, images: Tensor, progress: float) -> ForwardOutput:
        return forward(self._backbone, images, self._bank, strategy=self._strategy, progress=progress)

    def _classify(self, features: Tensor) -> Tensor:
        """Apply each LoRA's head to the features [n, d] of its images: [n, c]."""
        n, d = features.shape
        grouped = features.reshape(len(self._weight), -1, d)  # [l, n / l, d]
        return (grouped @ self._weight.mT + self._bias.unsqueeze(1)).reshape(n, -1)  # [n, c]
