"""Tune many LoRAs at once on one backbone, with the same result as one by one.

Axes: l LoRAs, g images of each, n = l × g, c classes, d features. Adam is elementwise, so Adam over the stacked bank is
l independent Adams; the loss is the *sum* over LoRAs of each one's mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy

from freeshot.basics.errors import DivergedError
from freeshot.basics.seeds import stream
from freeshot.contracts.pool import TuningRecipe
from freeshot.engine.lora.bank import LoraBank, slots_of
from freeshot.engine.vit.backbone import Backbone
from freeshot.engine.vit.forward import forward

Penalize: TypeAlias = Callable[[LoraBank, float, Callable[[str], Sequence[Generator]]], LoraBank]
"""What the hook `freeshot_lora_penalties` offers."""


@dataclass(frozen=True, eq=False)
class TuningTask:
    """The training data of one LoRA: images of its classes, some held out."""

    name: str
    images: Tensor
    """uint8 [n, 3, h, w]."""
    labels: Tensor
    """[n], 0…c−1."""
    held_out: Tensor
    """[n] bool."""


@dataclass(frozen=True, eq=False)
class Tuned:
    """A bank with its heads, and each LoRA's accuracy on its held-out images."""

    bank: LoraBank
    head_weight: Tensor
    """[l, c, d]."""
    head_bias: Tensor
    """[l, c]."""
    accuracies: tuple[float, ...]


def tune(
    backbone: Backbone,
    tasks: Sequence[TuningTask],
    recipe: TuningRecipe,
    way: int,
    on_step: Callable[[int, int], None] = lambda done, total: None,
    penalize: Penalize | None = None,
) -> Tuned:
    """Tune one LoRA with head per task; random choices of a task depend on its name only."""
    device = backbone.device
    names = [task.name for task in tasks]
    slots = slots_of(backbone.vit, recipe.targets)
    starts = [stream(recipe.seed, "pool init", name) for name in names]  # so that a LoRA does not depend on the others
    bank = LoraBank.joined([LoraBank.fresh(backbone.vit, slots, recipe.rank, 1, rng) for rng in starts])
    if penalize is not None and recipe.penalty is not None:
        bank = penalize(bank, recipe.penalty[1], lambda use: [stream(recipe.seed, f"pool {use}", n) for n in names])
    width = int(
        forward(backbone, torch.zeros(1, 3, backbone.image_size, backbone.image_size, device=device)).features.shape[1]
    )
    weight = torch.zeros(len(tasks), way, width, device=device, requires_grad=True)
    bias = torch.zeros(len(tasks), way, device=device, requires_grad=True)
    groups: list[dict[str, Any]] = [{"params": list(bank.parameters())}, {"params": [weight, bias]}]
    optimizer = torch.optim.Adam(groups, lr=recipe.lr)
    draws = [stream(recipe.seed, "pool batches", name) for name in names]
    for step in range(recipe.steps):
        for group, rate in zip(optimizer.param_groups, (recipe.rate(step), recipe.head_rate(step)), strict=True):
            group["lr"] = rate
        images, labels = _batch(tasks, recipe, draws)
        logits = _logits(backbone, bank, weight, bias, images.to(device).float() / 255)  # [n, c]
        losses = cross_entropy(logits, labels.to(device), reduction="none").view(len(tasks), -1).mean(1)  # [l]
        _require_finite(losses, names)
        optimizer.zero_grad()
        losses.sum().backward()  # type: ignore[no-untyped-call]
        if recipe.clip:
            bank.clip_gradients(recipe.clip, weight, bias)
        optimizer.step()
        bank.after_step(recipe.rate(step))
        on_step(step + 1, recipe.steps)
    accuracies = tuple(_held_out_accuracy(backbone, bank, weight, bias, i, task) for i, task in enumerate(tasks))
    return Tuned(bank, weight.detach(), bias.detach(), accuracies)


def _batch(
    tasks: Sequence[TuningTask], recipe: TuningRecipe, draws: Sequence[torch.Generator]
) -> tuple[Tensor, Tensor]:
    """Draw `batch` training images of each task, ordered by task."""
    images, labels = [], []
    for task, rng in zip(tasks, draws, strict=True):
        train = (~task.held_out).nonzero().flatten()
        chosen = train[torch.randint(len(train), (recipe.batch,), generator=rng)]  # [batch]
        mirrored = torch.rand(recipe.batch, generator=rng) < (0.5 if recipe.flip else 0)
        shown = task.images[chosen]
        shown = torch.where(mirrored.view(-1, 1, 1, 1), shown.flip(-1), shown)
        images.append(_shifted(shown, int(recipe.shift * shown.shape[-1]), rng))
        labels.append(task.labels[chosen])
    return torch.cat(images), torch.cat(labels)  # [n, 3, h, w], [n]


def _shifted(images: Tensor, reach: int, rng: torch.Generator) -> Tensor:
    """Shift each image [n, 3, h, w] by up to `reach` pixels down and across; borders are replicated."""
    n, c, h, w = images.shape
    down, across = torch.randint(-reach, reach + 1, (2, n, 1), generator=rng)
    rows = (torch.arange(h) + down).clamp(0, h - 1)  # [n, h]
    columns = (torch.arange(w) + across).clamp(0, w - 1)  # [n, w]
    images = images.gather(2, rows.view(n, 1, h, 1).expand(n, c, h, w))
    return images.gather(3, columns.view(n, 1, 1, w).expand(n, c, h, w))


def _logits(backbone: Backbone, bank: LoraBank, weight: Tensor, bias: Tensor, images: Tensor) -> Tensor:
    features = forward(backbone, images, bank).features  # [n, d]
    grouped = features.reshape(len(weight), -1, features.shape[1])  # [l, g, d]
    return (grouped @ weight.mT + bias.unsqueeze(1)).reshape(len(images), -1)  # [n, c]


def _require_finite(losses: Tensor, names: Sequence[str]) -> None:
    bad = [name for name, loss in zip(names, losses.tolist(), strict=True) if not math.isfinite(loss)]
    if bad:
        raise DivergedError(f"Tuning diverged for {', '.join(bad)}: the loss is not finite. Lower the learning rate.")


def _held_out_accuracy(
    backbone: Backbone, bank: LoraBank, weight: Tensor, bias: Tensor, index: int, task: TuningTask
) -> float:
    single = LoraBank({s: (a.unsqueeze(0), b.unsqueeze(0)) for s, (a, b) in bank.entry_factors(index).items()})
    single.to(backbone.device)
    with torch.inference_mode():
        images = task.images[task.held_out].to(backbone.device).float() / 255
        logits = _logits(backbone, single, weight[index : index + 1], bias[index : index + 1], images)
        right = logits.argmax(1).cpu() == task.labels[task.held_out]
    return float(right.double().mean())
