"""Inside of autocast a frozen network runs in bfloat16 from end to end; what learns does not."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from freeshot.contracts.strategy import EfficiencyStrategy
from freeshot.engine import BankTeacher, LoraBank, SharedLora, forward, open_backbone
from freeshot.engine.vit.backbone import Backbone
from freeshot.engine.vit.bf16 import autocast, bf16_copy_under_autocast
from freeshot.pool.store import open_pool
from freeshot.testing.toy import POOL, ToyVit
from freeshot_lora_recycle.merging import TokenMerging
from freeshot_lora_recycle.pruning import ClsAttention


@pytest.fixture(scope="module")
def single() -> Backbone:
    """Return the toy network, in float32."""
    return open_backbone(ToyVit())


@pytest.fixture
def pictures(single: Backbone) -> Tensor:
    """Return eight pictures."""
    side = single.image_size
    return torch.rand(8, 3, side, side, generator=torch.Generator().manual_seed(0))


def test_features_are_nearly_those_of_full_precision(single: Backbone, pictures: Tensor) -> None:
    entry = open_pool(POOL, single.sha256).entries[0]
    bank = LoraBank.of([entry], next(single.vit.parameters()))
    exact = forward(single, pictures, bank).features
    with autocast("cpu", enabled=True):
        rough = forward(single, pictures, bank).features
    assert rough.dtype is torch.float32
    assert 0 < (rough - exact).norm() / exact.norm() < 0.05


@pytest.mark.parametrize("strategy", [ClsAttention(at=(1,), ratio=0.5), TokenMerging(merge=1)])
def test_patches_are_left_out_as_in_full_precision(
    single: Backbone, pictures: Tensor, strategy: EfficiencyStrategy
) -> None:
    """Which patches those are may differ, where they matter nearly alike."""
    exact = forward(single, pictures, strategy=strategy).kept
    with autocast("cpu", enabled=True):
        rough = forward(single, pictures, strategy=strategy)
    assert exact is not None
    assert rough.kept is not None
    assert rough.kept.shape == exact.shape
    assert (rough.kept == exact).double().mean() > 0.5
    assert torch.isfinite(rough.features).all()


def test_norms_and_tokens_are_in_bfloat16(single: Backbone, pictures: Tensor) -> None:
    seen: list[torch.dtype] = []
    with autocast("cpu", enabled=True):
        block = bf16_copy_under_autocast(single.vit).get_submodule("blocks.1")
        handle = block.register_forward_hook(lambda _, inputs, output: seen.extend((inputs[0].dtype, output.dtype)))
        forward(single, pictures)
    handle.remove()
    assert seen == [torch.bfloat16, torch.bfloat16]


def test_images_and_loras_keep_full_precision_and_feel_a_pull(single: Backbone, pictures: Tensor) -> None:
    model = SharedLora(single, 2, torch.Generator().manual_seed(0))
    with torch.no_grad():
        for weight in model.lora():
            weight.add_(0.05)
    pulls = []
    for enabled in (False, True):
        images = pictures.clone().requires_grad_()
        with autocast("cpu", enabled=enabled):
            features = model.embed(images)
        weights = (images, *model.lora())
        pulls.append(torch.autograd.grad(features[:, 0].sum(), weights))
    for exact, rough in zip(*pulls, strict=True):
        assert rough.dtype is torch.float32
        assert torch.nn.functional.cosine_similarity(exact.flatten(), rough.flatten(), dim=0) > 0.99


def test_a_copy_follows_its_network(single: Backbone) -> None:
    vit = copy.deepcopy(single.vit)
    with autocast("cpu", enabled=True):
        first = bf16_copy_under_autocast(vit)
        assert bf16_copy_under_autocast(vit) is first
        with torch.no_grad():
            next(vit.parameters()).add_(1)
        second = bf16_copy_under_autocast(vit)
    assert second is not first
    assert torch.equal(next(second.parameters()), next(vit.parameters()).bfloat16())


def test_a_copy_made_in_inference_mode_serves_gradients_too(single: Backbone, pictures: Tensor) -> None:
    fresh = open_backbone(ToyVit())
    with torch.inference_mode(), autocast("cpu", enabled=True):
        forward(fresh, pictures)
    images = pictures.clone().requires_grad_()
    with autocast("cpu", enabled=True):
        forward(fresh, images).features.sum().backward()  # type: ignore[no-untyped-call]
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


def test_what_is_trained_and_what_is_double_is_left_alone(single: Backbone) -> None:
    thawed, double = copy.deepcopy(single.vit).requires_grad_(True), copy.deepcopy(single.vit).double()
    assert bf16_copy_under_autocast(single.vit) is single.vit
    with autocast("cpu", enabled=True):
        assert bf16_copy_under_autocast(thawed) is thawed
        assert bf16_copy_under_autocast(double) is double


def test_the_inside_of_a_teacher_can_be_looked_at(single: Backbone, pictures: Tensor) -> None:
    teacher = BankTeacher(single, open_pool(POOL, single.sha256).entries[:1])
    with autocast("cpu", enabled=True):
        view = teacher.logits_and_tokens(pictures)
    assert view.tokens.shape[:2] == (8, 4)
