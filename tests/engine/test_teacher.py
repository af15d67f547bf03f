"""A group of LoRAs gives each image the logits of its own LoRA alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from freeshot.basics.errors import PoolError
from freeshot.contracts.pool import LoraEntry
from freeshot.contracts.strategy import EfficiencyStrategy
from freeshot.contracts.tensors import LayerView
from freeshot.engine.inversion.teacher import BankTeacher
from freeshot.engine.lora.bank import LoraBank
from freeshot.engine.vit.backbone import Backbone
from freeshot.engine.vit.forward import forward

MakeEntry = Callable[..., LoraEntry]


@dataclass(frozen=True)
class FirstPatches(EfficiencyStrategy):
    """Keep more of the first patches as the inversion progresses."""

    name = "first-patches"

    def select(self, view: LayerView) -> Tensor | None:
        return view.kept[:, : 2 + round(4 * view.progress)] if view.layer == 0 else None


def test_the_logits_of_a_group_are_those_of_each_lora_alone(
    backbone: Backbone, images: Tensor, make_entry: MakeEntry
) -> None:
    entries = [make_entry(1), make_entry(2, rank=4), make_entry(3)]
    together = BankTeacher(backbone, entries).logits(images)
    alone = [BankTeacher(backbone, [e]).logits(g) for e, g in zip(entries, images.chunk(3), strict=True)]
    assert torch.allclose(together, torch.cat(alone), rtol=0, atol=1e-10)


def test_logits_are_those_of_the_head_on_the_features(
    backbone: Backbone, images: Tensor, make_entry: MakeEntry
) -> None:
    entry = make_entry(1)
    features = forward(backbone, images, LoraBank.of([entry], images)).features
    expected = features @ entry.head_weight.T + entry.head_bias
    assert torch.allclose(BankTeacher(backbone, [entry]).logits(images), expected, rtol=0, atol=1e-10)


def test_logits_are_differentiable_in_the_images(backbone: Backbone, images: Tensor, make_entry: MakeEntry) -> None:
    (gradient,) = torch.autograd.grad(
        BankTeacher(backbone, [make_entry(1)]).logits(images.requires_grad_()).sum(), images
    )
    assert gradient.abs().sum((1, 2, 3)).min() > 0


def test_steps_report_progress(backbone: Backbone, make_entry: MakeEntry) -> None:
    reports: list[tuple[int, int]] = []
    teacher = BankTeacher(backbone, [make_entry(1)], on_step=lambda done, total: reports.append((done, total)))
    assert list(teacher.steps(3)) == [0, 1, 2]
    assert reports == [(1, 3), (2, 3), (3, 3)]


def test_the_strategy_gets_the_progress_of_the_inversion(
    backbone: Backbone, images: Tensor, make_entry: MakeEntry
) -> None:
    entry, strategy = make_entry(1), FirstPatches()
    bank = LoraBank.of([entry], images).requires_grad_(False)
    teacher, bank = BankTeacher(backbone, [entry], strategy), LoraBank.of([entry], images)
    for step in teacher.steps(2):
        features = forward(backbone, images, bank, strategy=strategy, progress=step / 2).features
        expected = features @ entry.head_weight.T + entry.head_bias
        assert torch.allclose(teacher.logits(images), expected, rtol=0, atol=1e-10)


def test_the_final_mask_is_that_of_the_end_of_the_inversion(
    backbone: Backbone, images: Tensor, make_entry: MakeEntry
) -> None:
    kept = BankTeacher(backbone, [make_entry(1)], FirstPatches()).final_patches(images)
    assert kept is not None
    assert kept.tolist() == [[0, 1, 2, 3, 4, 5]] * 6


def test_plain_logits_use_every_token(backbone: Backbone, images: Tensor, make_entry: MakeEntry) -> None:
    pruned, plain = (BankTeacher(backbone, [make_entry(1)], strategy) for strategy in (FirstPatches(), None))
    assert torch.equal(pruned.plain_logits(images), plain.logits(images))
    assert not torch.allclose(pruned.logits(images), plain.logits(images))
    assert plain.final_patches(images) is None


def test_loras_of_unequal_way_in_a_group_are_an_error(backbone: Backbone, make_entry: MakeEntry) -> None:
    with pytest.raises(
        PoolError, match=r"^LoRAs inverted together must have equally many classes\. Invert them separately\.$"
    ):
        BankTeacher(backbone, [make_entry(1), make_entry(2, classes=3)])


def test_a_teacher_has_the_size_normalisation_and_device_of_its_backbone(
    backbone: Backbone, make_entry: MakeEntry
) -> None:
    teacher = BankTeacher(backbone, [make_entry(1)])
    assert (teacher.image_size, teacher.device) == (16, torch.device("cpu"))
    assert teacher.mean.flatten().tolist() == pytest.approx([0.5, 0.4, 0.6], abs=1e-6)
    assert teacher.std.shape == (1, 3, 1, 1)
