"""Pool LoRAs as teachers: a LoRA bank with classification heads, under an efficiency strategy."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from freeshot.basics.errors import PoolError
from freeshot.basics.step_limit import bounded
from freeshot.contracts.efficiency import EfficiencyStrategy
from freeshot.contracts.inversion import TeacherView
from freeshot.contracts.tensors import Checkpoint
from freeshot.engine.lora.bank import LoraBank
from freeshot.engine.vit.bf16 import bf16_copy_under_autocast
from freeshot.engine.vit.forward import forward, require_class_token
from freeshot.ops.tokens import moved_patches, returned_patches

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor, nn

    from freeshot.contracts.pool import LoraEntry
    from freeshot.contracts.tensors import LayerView
    from freeshot.engine.vit.backbone import Backbone
    from freeshot.engine.vit.forward import ForwardOutput


UNMOVED: dict[str, Any] = {"down": 0, "right": 0, "mirrored": False}


@dataclass(frozen=True)
class _LastLayer(EfficiencyStrategy):
    """A strategy that selects patches at the last layer with a given function."""

    name = "last-layer"
    choose: Callable[[LayerView], Tensor] = lambda view: view.kept

    def layers(self, depth: int) -> tuple[int, ...]:
        """Return the last layer."""
        return (depth - 1,)

    def select(self, view: LayerView) -> Tensor:
        """Call `choose`."""
        return self.choose(view)


class _WithPatches(Checkpoint):
    """A checkpoint that stores a teacher's frozen patches with the state of an inversion."""

    def __init__(self, inner: Checkpoint, teacher: BankTeacher) -> None:
        self._inner, self._teacher = inner, teacher

    def load(self) -> Mapping[str, Tensor] | None:
        """Return the inversion's state, and restore the teacher's own."""
        state = self._inner.load()
        if state is None:
            return None
        self._teacher.take_patches_state(state)
        return {name: tensor for name, tensor in state.items() if not name.startswith("teacher.")}

    def offer(self, make: Callable[[], Mapping[str, Tensor]]) -> None:
        """Store both states."""
        self._inner.offer(lambda: {**make(), **self._teacher.patches_state()})


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
        self.checkpoint: Checkpoint = _WithPatches(checkpoint or Checkpoint(), self)
        self._progress = 0.0
        self._side = patch_side(backbone.vit)
        self._going_on: Tensor | None = None  # [n, k] patches that are not frozen, in unmoved coordinates
        self._movement = dict(UNMOVED)
        self._last: Tensor | None = None
        self.image_size = backbone.image_size
        self.mean, self.std = backbone.normalize.mean, backbone.normalize.std
        self.device = backbone.device

    def logits(self, images: Tensor) -> Tensor:
        """Return the logits of each image's own LoRA: [n, 3, h, w] in 0…1 → [n, c]."""
        if self._last is None or len(self._last) == len(images):
            self._last = images.detach()
        return self._logits(self._look(images, self._strategy, self._progress).features)

    def logits_and_tokens(self, images: Tensor) -> TeacherView:
        """Return the logits together with the class token after each block."""
        require_class_token(self._backbone.vit)
        tokens: list[Tensor] = []
        blocks = bf16_copy_under_autocast(self._backbone.vit).get_submodule("blocks").children()
        with ExitStack() as stack:
            for block in blocks:
                stack.callback(block.register_forward_hook(lambda _, __, out: tokens.append(out[:, 0])).remove)
            logits = self.logits(images)
        return TeacherView(logits, torch.stack(tokens, dim=1))  # tokens [n, layers, d]

    def moved(self, images: Tensor, down: int, right: int, *, mirrored: bool) -> Tensor:
        """Roll all images and optionally mirror them.

        By whole patches, with the movement stored, if patches are frozen.
        """
        if self._strategy is not None and self._strategy.stops():
            patch = self.image_size // self._side
            self._movement = {"down": round(down / patch), "right": round(right / patch), "mirrored": mirrored}
            down, right = self._movement["down"] * patch, self._movement["right"] * patch
        images = images.roll((down, right), dims=(2, 3))
        return images.flip(-1) if mirrored else images

    def steps(self, count: int, start: int = 0) -> Iterator[int]:
        """Count start…count−1 and pass the progress to the strategy."""
        self._progress = max(start - 1, 0) / max(count, 1)
        if start == 0:
            self._going_on, self._last, self._movement = None, None, dict(UNMOVED)
        for step in range(start, bounded(count)):
            self._stop_patches(self._progress, step / count)
            self._progress = step / count
            yield step
            self._on_step(step + 1, count)

    def plain_logits(self, images: Tensor) -> Tensor:
        """Return the logits [n, c] with all tokens in use."""
        return self._logits(forward(self._backbone, images, self._bank).features)

    def final_patches(self, images: Tensor) -> Tensor | None:
        """Return the patches [n, k] of the strategy's final mask."""
        self._movement = dict(UNMOVED)
        return self._look(images, self._strategy, 1.0).kept

    def patches_state(self) -> dict[str, Tensor]:
        """Return the state of frozen patches as named tensors."""
        state = {"teacher.movement": torch.tensor([int(value) for value in self._movement.values()])}
        if self._going_on is not None:
            state["teacher.going_on"] = self._going_on.cpu()
        if self._last is not None and self._strategy is not None and self._strategy.stops():
            state["teacher.last"] = self._last.cpu()
        return state

    def take_patches_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore the state of frozen patches."""
        down, right, mirrored = state["teacher.movement"].tolist()
        self._movement = {"down": down, "right": right, "mirrored": bool(mirrored)}
        going_on, last = state.get("teacher.going_on"), state.get("teacher.last")
        self._going_on = None if going_on is None else going_on.to(self.device)
        self._last = None if last is None else last.to(self.device)

    def _look(self, images: Tensor, strategy: EfficiencyStrategy | None, progress: float) -> ForwardOutput:
        """Run the forward pass on moved images, reduced to the patches that are not frozen.

        Frozen patches belong to the image batch of the inversion's first pass. Batches of another size, such as crops
        or copies moved in several directions, use all patches.
        """
        kept = None
        if self._going_on is not None and len(self._going_on) == len(images):
            kept = moved_patches(self._going_on, self._side, **self._movement).sort(dim=1).values  # [n, k]
        return forward(self._backbone, images, self._bank, kept, strategy, progress)

    def _stop_patches(self, before: float, now: float) -> None:
        """Call the strategy's `stop` on the latest images if one of its points lies between `before` and `now`."""
        if self._strategy is None or self._last is None:
            return
        for point in self._strategy.stops():
            if before < point <= now:
                watcher = _LastLayer(self._strategy.stop)
                with torch.no_grad():
                    seen = self._look(self._last, watcher, now).kept
                assert seen is not None
                self._going_on = returned_patches(seen, self._side, **self._movement).sort(dim=1).values  # [n, k]

    def _logits(self, features: Tensor) -> Tensor:
        n, d = features.shape
        grouped = features.reshape(len(self._weight), -1, d)  # [l, n / l, d]
        return (grouped @ self._weight.mT + self._bias.unsqueeze(1)).reshape(n, -1)  # [n, c]
