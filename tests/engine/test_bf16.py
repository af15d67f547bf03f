"""A backbone of precision bf16 computes in bfloat16 from end to end; trained weights stay in float32."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from freeshot.contracts.strategy import EfficiencyStrategy
from freeshot.engine import AdaptedLearner, BankTeacher, LoraBank, SharedLora, forward, open_backbone
from freeshot.engine.vit import bf16
from freeshot.engine.vit.backbone import Backbone
from freeshot.engine.vit.bf16 import bf16_copy, faster_precision
from freeshot.pool.store import open_pool
from freeshot.testing.toy import POOL, ToyVit
from freeshot_lora_recycle.merging import TokenMerging
from freeshot_lora_recycle.pruning import ClsAttention


@pytest.fixture(scope="module")
def single() -> Backbone:
    """Return the toy network, in float32."""
    return open_backbone(ToyVit())


@pytest.fixture(scope="module")
def halved(single: Backbone) -> Backbone:
    """Return the toy network, computing in bfloat16."""
    return replace(single, precision="bf16")


@pytest.fixture
def pictures(single: Backbone) -> Tensor:
    """Return eight pictures."""
    side = single.image_size
    return torch.rand(8, 3, side, side, generator=torch.Generator().manual_seed(0))


def test_features_are_nearly_those_of_full_precision(single: Backbone, halved: Backbone, pictures: Tensor) -> None:
    entry = open_pool(POOL, single.sha256).entries[0]
    bank = LoraBank.of([entry], next(single.vit.parameters()))
    exact = forward(single, pictures, bank).features
    rough = forward(halved, pictures, bank).features
    assert rough.dtype is torch.float32
    assert 0 < (rough - exact).norm() / exact.norm() < 0.05


@pytest.mark.parametrize("strategy", [ClsAttention(at=(1,), ratio=0.5), TokenMerging(merge=1)])
def test_patches_are_left_out_as_in_full_precision(
    single: Backbone, halved: Backbone, pictures: Tensor, strategy: EfficiencyStrategy
) -> None:
    """The patches may differ where their scores are nearly equal."""
    exact = forward(single, pictures, strategy=strategy).kept
    rough = forward(halved, pictures, strategy=strategy)
    assert exact is not None
    assert rough.kept is not None
    assert rough.kept.shape == exact.shape
    assert (rough.kept == exact).double().mean() > 0.5
    assert torch.isfinite(rough.features).all()


def test_norms_and_tokens_are_in_bfloat16(halved: Backbone, pictures: Tensor) -> None:
    seen: list[torch.dtype] = []
    block = halved.computing.get_submodule("blocks.1")
    handle = block.register_forward_hook(lambda _, inputs, output: seen.extend((inputs[0].dtype, output.dtype)))
    forward(halved, pictures)
    handle.remove()
    assert seen == [torch.bfloat16, torch.bfloat16]


def test_images_and_loras_keep_full_precision_and_get_gradients(
    single: Backbone, halved: Backbone, pictures: Tensor
) -> None:
    gradients = []
    for backbone in (single, halved):
        model = SharedLora(backbone, 2, torch.Generator().manual_seed(0))
        with torch.no_grad():
            for weight in model.lora():
                weight.add_(0.05)
        images = pictures.clone().requires_grad_()
        features = model.embed(images)
        gradients.append(torch.autograd.grad(features[:, 0].sum(), (images, *model.lora())))
    for exact, rough in zip(*gradients, strict=True):
        assert rough.dtype is torch.float32
        assert torch.nn.functional.cosine_similarity(exact.flatten(), rough.flatten(), dim=0) > 0.99


def test_a_copy_follows_its_network(single: Backbone) -> None:
    vit = copy.deepcopy(single.vit)
    first = bf16_copy(vit)
    assert bf16_copy(vit) is first
    with torch.no_grad():
        next(vit.parameters()).add_(1)
    second = bf16_copy(vit)
    assert second is not first
    assert torch.equal(next(second.parameters()), next(vit.parameters()).bfloat16())


def test_a_copy_made_in_inference_mode_supports_gradients(pictures: Tensor) -> None:
    fresh = open_backbone(ToyVit(), precision="bf16")
    with torch.inference_mode():
        forward(fresh, pictures)
    images = pictures.clone().requires_grad_()
    forward(fresh, images).features.sum().backward()  # type: ignore[no-untyped-call]
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


def test_full_precision_computes_with_the_weights_themselves(single: Backbone) -> None:
    assert single.computing is single.vit


def test_precisions_are_two_identities_of_the_same_weights(single: Backbone, halved: Backbone) -> None:
    assert single.sha256 == halved.sha256
    assert single.identity != halved.identity


def test_a_copy_to_train_is_in_full_precision(halved: Backbone) -> None:
    assert next(halved.trainable_copy().parameters()).dtype is torch.float32
    assert halved.trainable_copy().freeze().precision == "fp32"


def test_a_learner_with_an_adapter_embeds_in_the_backbones_precision(
    single: Backbone, halved: Backbone, pictures: Tensor
) -> None:
    adapter = SharedLora(single, 2, torch.Generator().manual_seed(0)).snapshot()
    with torch.no_grad():
        exact, rough = (AdaptedLearner(backbone, adapter).embed(pictures) for backbone in (single, halved))
    assert torch.equal(rough, rough.bfloat16().float())
    assert not torch.equal(exact, rough)
    assert (rough - exact).norm() / exact.norm() < 0.05


def test_the_precision_that_is_measured_as_faster_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds, expected in (
        ({torch.float32: 2.0, torch.bfloat16: 1.0}, "bf16"),
        ({torch.float32: 1.0, torch.bfloat16: 1.0}, "fp32"),
    ):
        monkeypatch.setattr(bf16, "_seconds_of_product", lambda _, dtype, seconds=seconds: seconds[dtype])
        assert faster_precision(torch.device("cpu"))[0] == expected
    monkeypatch.undo()
    chosen, speedup = faster_precision(torch.device("cpu"))
    assert chosen == ("bf16" if speedup >= bf16.WORTHWHILE else "fp32")


def test_a_teacher_in_bf16_returns_its_tokens(halved: Backbone, pictures: Tensor) -> None:
    teacher = BankTeacher(halved, open_pool(POOL, halved.sha256).entries[:1])
    view = teacher.logits_and_tokens(pictures)
    assert view.tokens.shape[:2] == (8, 4)
