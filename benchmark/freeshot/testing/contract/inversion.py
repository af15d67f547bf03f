"""Rules for inversion methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from freeshot.basics.step_limit import at_most
from freeshot.contracts.inversion import LearnedInversion
from freeshot.engine.inversion.teacher import BankTeacher, PoolTeachers
from freeshot.testing.contract.fixtures import SHOTS, STEPS, WAYS, require_reproducible
from freeshot.testing.contract.rules import BrokenError, Subject, rule


def inverted(
    subject: Subject, way: int = 2, per_class: int = 2, seed: int = 0, on_step: Callable[[int, int], None] | None = None
) -> tuple[Tensor, Tensor]:
    """Invert a LoRA; return the images, and the labels as they are afterwards."""
    method: Any = subject.make()
    world, on_step = subject.world, on_step or (lambda done, total: None)
    teacher = BankTeacher(world.backbone, [world.lora(way)], on_step=on_step)
    labels = torch.arange(way).repeat_interleave(per_class)
    rng = torch.Generator().manual_seed(seed)
    with at_most(STEPS):
        if isinstance(method, LearnedInversion):
            teachers = PoolTeachers(world.backbone, [world.lora(way)] * 2, on_step)
            learned = method.learn(teachers, per_class, rng)
            return method.synthesize_with(teacher, labels, rng, learned), labels
        return method.synthesize(teacher, labels, rng), labels


@rule(f"gives images in 0…1 for ways {WAYS} and {SHOTS} images per class", "inversion")
def _shapes(subject: Subject) -> None:
    side = subject.world.backbone.image_size
    for way in WAYS:
        for per_class in SHOTS:
            images, _ = inverted(subject, way, per_class)
            expected = [way * per_class, 3, side, side]
            if list(images.shape) != expected or images.dtype != torch.float32:
                raise BrokenError(
                    f"For {way} classes of {per_class} it gave {list(images.shape)} {images.dtype}. Return {expected} "
                    "torch.float32."
                )
            if not torch.isfinite(images).all() or images.min() < 0 or images.max() > 1:
                raise BrokenError("Its images are not all in 0…1. Clamp them before returning.")
            if images.requires_grad:
                raise BrokenError("Its images still require a gradient. Return images.detach().")


@rule("the same seed gives the same images", "inversion")
def _same_seed(subject: Subject) -> None:
    advice = "Two calls with one seed differ. Draw every random number from `rng`."
    require_reproducible(lambda: inverted(subject)[0], advice)


@rule("another seed gives other images", "inversion")
def _other_seed(subject: Subject) -> None:
    if torch.equal(inverted(subject, seed=1)[0], inverted(subject, seed=2)[0]):
        raise BrokenError("Two seeds give the same images. Start from numbers drawn with `rng`.")


@rule("does not modify the labels", "inversion")
def _labels_stay(subject: Subject) -> None:
    if inverted(subject, 5, 2)[1].tolist() != [label for label in range(5) for _ in range(2)]:
        raise BrokenError("It modified its labels. Work on a copy.")
