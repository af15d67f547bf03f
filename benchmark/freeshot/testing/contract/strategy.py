"""Rules for efficiency strategies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from freeshot.contracts.tensors import LayerView
from freeshot.engine.inversion.teacher import BankTeacher
from freeshot.testing.contract.fixtures import network_unmodified
from freeshot.testing.contract.rules import BrokenError, Subject, rule

DEPTHS, PATCHES, POINTS = (2, 12), (16, 49, 196), (0.0, 0.5, 1.0)


def views(strategy: Any) -> Iterator[LayerView]:
    """Create layer views for the strategy, as in networks of several sizes."""
    rng = torch.Generator().manual_seed(0)
    for depth in DEPTHS:
        for layer in _named(strategy, depth):
            for patches in PATCHES:
                for progress in POINTS:
                    attention = torch.rand(2, 3, patches + 1, patches + 1, generator=rng).softmax(-1)
                    keys = torch.randn(2, 3, patches + 1, 8, generator=rng)
                    kept = torch.arange(0, 2 * patches, 2).expand(2, -1).contiguous()  # indices differ from positions
                    yield LayerView(layer, depth, progress, attention, keys, kept)


def _named(strategy: Any, depth: int) -> list[int]:
    try:
        return [layer % depth for layer in strategy.layers(depth)]
    except ValueError:  # includes OptionError: a strategy may be set for deeper networks
        return []


@rule("names layers that the network has", "strategy")
def _layers(subject: Subject) -> None:
    strategy = subject.make()
    for depth in DEPTHS:
        wrong = [layer for layer in strategy.layers(depth) if not -depth <= layer < depth]
        if wrong:
            raise BrokenError(f"In a network of {depth} layers it names layer {wrong[0]}. Stay within 0…{depth - 1}.")


@rule("selects a subset of the patches, equally many per image", "strategy")
def _choices(subject: Subject) -> None:
    strategy = subject.make()
    for view in views(strategy):
        choice: Tensor | None = strategy.select(view)
        if choice is None:
            continue
        if choice.ndim != 2 or len(choice) != len(view.kept) or choice.dtype.is_floating_point:
            raise BrokenError(f"It chose {list(choice.shape)} {choice.dtype}. Return indices [b, k], a part of kept.")
        if choice.shape[1] == 0:
            raise BrokenError("It kept no patch. Keep at least one per image.")
        for row, available in zip(choice.tolist(), view.kept.tolist(), strict=True):
            if len(set(row)) < len(row) or not set(row) <= set(available):
                raise BrokenError("It chose duplicate or dropped patches. Choose from view.kept, by gather.")


@rule("gives the same selection for the same view", "strategy")
def _steady(subject: Subject) -> None:
    strategy = subject.make()
    for view in views(strategy):
        first, second = strategy.select(view), strategy.select(view)
        if (first is None) != (second is None) or (first is not None and not torch.equal(first, second)):
            raise BrokenError("Two calls with the same view differ. Draw random numbers from your own seed.")


@rule("does not modify its inputs", "strategy")
def _views_stay(subject: Subject) -> None:
    strategy = subject.make()
    for view in views(strategy):
        before = [part.clone() for part in (view.attention, view.keys, view.kept)]
        strategy.select(view)
        after = (view.attention, view.keys, view.kept)
        if not all(torch.equal(b, a) for b, a in zip(before, after, strict=True)):
            raise BrokenError("It modified its view. Work on copies.")


@rule("a network with it gives features and a mask, and is not modified", "strategy")
def _looks(subject: Subject) -> None:
    world, strategy = subject.world, subject.make()
    side = world.backbone.image_size
    images = torch.rand(4, 3, side, side, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with network_unmodified(world.backbone):
        teacher = BankTeacher(world.backbone, [world.lora(5)], strategy)
        for _ in teacher.steps(4):
            logits = teacher.logits(images)
            (slope,) = torch.autograd.grad(logits.sum(), images)
            if not torch.isfinite(logits).all() or not torch.isfinite(slope).all():
                raise BrokenError("With it, the network's features are not finite. Keep merging and residual finite.")
        with torch.no_grad():
            kept = teacher.final_patches(images.detach())
        if kept is not None and kept.shape[1] == 0:
            raise BrokenError("Its final mask keeps no patch. Keep at least one per image.")
