"""The shared LoRA starts as the backbone, and its snapshot is its whole state."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from freeshot.contracts.pool import LoraEntry
from freeshot.engine.lora.adapted_learner import AdaptedLearner
from freeshot.engine.lora.meta_model import SharedLora, bank_of
from freeshot.engine.vit.backbone import Backbone
from freeshot.engine.vit.forward import forward


def trained(backbone: Backbone, images: Tensor) -> SharedLora:
    """Train a shared LoRA for three steps."""
    model = SharedLora(backbone, 2, torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(model.lora(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model.embed(images).square().sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return model


def test_at_step_zero_a_shared_lora_embeds_as_the_backbone_bit_for_bit(backbone: Backbone, images: Tensor) -> None:
    model = SharedLora(backbone, 4, torch.Generator().manual_seed(0))
    assert torch.equal(model.embed(images), backbone.vit(backbone.normalize(images)))


def test_a_snapshot_makes_the_same_features_again(backbone: Backbone, images: Tensor) -> None:
    model = trained(backbone, images)
    again = forward(backbone, images, bank_of(model.snapshot(), images)).features
    assert torch.equal(again, model.embed(images))
    assert (again - forward(backbone, images).features).abs().max() > 1e-3


def test_a_learner_with_a_snapshot_embeds_as_the_model(backbone: Backbone, images: Tensor) -> None:
    model = trained(backbone, images)
    learner = AdaptedLearner(backbone, model.snapshot())
    assert learner.tuning_free
    assert torch.allclose(learner.embed(images), model.embed(images), rtol=0, atol=1e-10)


def test_a_learner_without_adapter_embeds_as_the_backbone(backbone: Backbone, images: Tensor) -> None:
    assert torch.equal(AdaptedLearner(backbone).embed(images), backbone.vit(backbone.normalize(images)))


def test_a_snapshot_does_not_change_with_the_model(backbone: Backbone, images: Tensor) -> None:
    model = trained(backbone, images)
    snapshot = model.snapshot()
    before = {name: tensor.clone() for name, tensor in snapshot.tensors.items()}
    with torch.no_grad():
        for weight in model.lora():
            weight.zero_()
    assert all(torch.equal(tensor, before[name]) for name, tensor in snapshot.tensors.items())


def test_only_the_lora_can_be_trained(backbone: Backbone, images: Tensor) -> None:
    model = SharedLora(backbone, 2, torch.Generator().manual_seed(0), targets=("q",))
    model.embed(images).sum().backward()  # type: ignore[no-untyped-call]
    assert [tuple(p.shape) for p in model.lora()] == [(1, 2, 24)] * 3 + [(1, 24, 2)] * 3
    assert all(p.grad is not None for p in model.lora())
    assert all(p.grad is None for p in backbone.vit.parameters())


def test_a_shared_lora_embeds_kept_patches_only(
    backbone: Backbone, images: Tensor, make_entry: Callable[..., LoraEntry]
) -> None:
    model, kept = trained(backbone, images), torch.tensor([[0, 5, 9]] * 6)
    assert torch.equal(model.embed(images, kept), forward(backbone, images, model.bank, kept).features)
