"""A forward pass of chosen patches equals a slow one in which the others are masked out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from freeshot.basics.errors import ContractError
from freeshot.contracts.pool import LoraEntry
from freeshot.contracts.strategy import EfficiencyStrategy
from freeshot.contracts.tensors import LayerView
from freeshot.engine.lora.bank import LoraBank, merge
from freeshot.engine.vit.backbone import Backbone
from freeshot.engine.vit.forward import attend, forward

PATCHES = 16
Masks = list[Tensor]
"""For each layer, the tokens that can be attended to: bool [n, t]."""


@dataclass(frozen=True)
class Drop(EfficiencyStrategy):
    """Drop a share of the patches, those with the least attention of the class token."""

    name = "drop"

    at: tuple[int, ...] = (0,)
    ratio: float = 0.5

    def layers(self, depth: int) -> tuple[int, ...]:
        return self.at

    def select(self, view: LayerView) -> Tensor | None:
        scores = view.attention.mean(1)[:, 0, 1:]
        best = scores.topk(round(scores.shape[1] * (1 - self.ratio)), dim=1).indices
        return view.kept.gather(1, best)


@dataclass(frozen=True)
class FixedChoice(EfficiencyStrategy):
    """Choose fixed patches."""

    name = "answer"

    chosen: tuple[int, ...] | None = None
    at: tuple[int, ...] = (0,)

    def layers(self, depth: int) -> tuple[int, ...]:
        return self.at

    def select(self, view: LayerView) -> Tensor | None:
        if self.chosen is None:
            return None
        return torch.tensor([self.chosen] * len(view.kept), dtype=torch.long)


@dataclass(frozen=True)
class Raise(Drop):
    """Raise an error within a layer."""

    name = "raise"

    def select(self, view: LayerView) -> Tensor | None:
        raise KeyError(view.layer)


@dataclass(frozen=True)
class AtTheInput(EfficiencyStrategy):
    """Keep every second patch from the start."""

    name = "at-the-input"

    def patches(self, progress: float, images: Tensor) -> Tensor | None:
        return torch.arange(0, PATCHES, 2).expand(len(images), -1).contiguous()


def slow(vit: Any, normalized: Tensor, masks: Masks | None = None) -> tuple[Tensor, list[Tensor]]:
    """Keep all tokens, but mask the attention to some_patches: return the features and each layer's attention."""
    x = vit._pos_embed(vit.patch_embed(normalized))
    attentions = []
    for layer, block in enumerate(vit.blocks):
        heads = block.attn.num_heads
        rows = [part.unflatten(-1, (heads, -1)) for part in block.attn.qkv(block.norm1(x)).chunk(3, dim=-1)]
        scores = torch.einsum("nqhd,nkhd->nhqk", rows[0], rows[1]) / rows[0].shape[-1] ** 0.5
        if masks is not None:
            scores = scores.masked_fill(~masks[layer][:, None, None, :], -torch.inf)
        attentions.append(scores.softmax(-1))
        mixed = torch.einsum("nhqk,nkhd->nqhd", attentions[-1], rows[2]).flatten(2)
        x = x + block.attn.proj(mixed)
        x = x + block.mlp(block.norm2(x))
    return vit.norm(x)[:, 0], attentions


def mask_of(kept: Tensor) -> Tensor:
    mask = torch.zeros(len(kept), PATCHES + 1, dtype=torch.bool)
    mask[:, 0] = True
    return mask.scatter(1, kept + 1, value=True)


def all_patches(images: Tensor) -> Tensor:
    return torch.arange(PATCHES).expand(len(images), -1).contiguous()


def some_patches(images: Tensor, count: int = 5) -> Tensor:
    rng = torch.Generator().manual_seed(2)
    return torch.rand(len(images), PATCHES, generator=rng).argsort(1)[:, :count].sort(1).values


def assert_untouched(backbone: Backbone) -> None:
    for module in backbone.vit.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert "forward" not in vars(module)


def test_a_plain_forward_pass_is_timms_forward(backbone: Backbone, images: Tensor) -> None:
    seen = forward(backbone, images)
    assert torch.equal(seen.features, backbone.vit(backbone.normalize(images)))
    assert seen.kept is None


def test_the_slow_forward_is_timms_forward(backbone: Backbone, images: Tensor) -> None:
    features, _ = slow(backbone.vit, backbone.normalize(images))
    assert torch.allclose(features, forward(backbone, images).features, rtol=0, atol=1e-10)


def test_keeping_every_patch_changes_no_bit(backbone: Backbone, images: Tensor) -> None:
    seen = forward(backbone, images, kept=all_patches(images))
    assert torch.equal(seen.features, forward(backbone, images).features)


@pytest.mark.parametrize("count", [1, 5, 15])
def test_kept_patches_equal_masking_the_others_out(backbone: Backbone, images: Tensor, count: int) -> None:
    kept = some_patches(images, count)
    expected, _ = slow(backbone.vit, backbone.normalize(images), [mask_of(kept)] * 3)
    seen = forward(backbone, images, kept=kept)
    assert torch.allclose(seen.features, expected, rtol=0, atol=1e-10)
    assert seen.kept is kept


def test_kept_patches_and_loras_go_together(
    backbone: Backbone, images: Tensor, make_entry: Callable[..., LoraEntry]
) -> None:
    bank, kept = LoraBank.of([make_entry(0)], images), some_patches(images)
    expected, _ = slow(merge(backbone.vit, bank), backbone.normalize(images), [mask_of(kept)] * 3)
    assert torch.allclose(forward(backbone, images, bank, kept).features, expected, rtol=0, atol=1e-10)


def test_the_gradient_reaches_kept_patches_and_no_others(backbone: Backbone, images: Tensor) -> None:
    images.requires_grad_()
    kept = torch.tensor([[0, 5]]).expand(len(images), -1).contiguous()
    forward(backbone, images, kept=kept).features.sum().backward()  # type: ignore[no-untyped-call]
    assert images.grad is not None
    cells = images.grad.abs().sum((0, 1)).reshape(4, 4, 4, 4).sum((1, 3))
    assert cells.flatten().nonzero().flatten().tolist() == [0, 5]


def test_attending_with_weights_equals_timms_attention(backbone: Backbone) -> None:
    attention: Any = backbone.vit.get_submodule("blocks.0.attn")
    tokens = torch.randn(2, 9, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    attended = attend(attention, tokens)
    assert torch.allclose(attended.mixed, attention(tokens), rtol=0, atol=1e-10)
    assert torch.allclose(attended.weights.sum(-1), torch.ones(2, 3, 9, dtype=torch.float64))


def test_a_token_of_size_three_is_attended_to_as_three_equal_tokens(backbone: Backbone) -> None:
    attention: Any = backbone.vit.get_submodule("blocks.0.attn")
    tokens = torch.randn(2, 4, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sizes = torch.tensor([1.0, 1, 3, 1], dtype=torch.float64).expand(2, -1)
    repeated = tokens[:, [0, 1, 2, 2, 2, 3]]
    assert torch.allclose(
        attend(attention, tokens, sizes).mixed, attention(repeated)[:, [0, 1, 2, 5]], rtol=0, atol=1e-10
    )


@pytest.mark.parametrize("strategy", [Drop(at=(0, 1, 2), ratio=0), FixedChoice(None, at=(0, 2)), EfficiencyStrategy()])
def test_a_strategy_that_drops_nothing_is_timms_forward(
    backbone: Backbone, images: Tensor, strategy: EfficiencyStrategy
) -> None:
    seen = forward(backbone, images, strategy=strategy)
    assert torch.allclose(seen.features, forward(backbone, images).features, rtol=0, atol=1e-10)


def test_a_strategy_can_choose_at_the_input(backbone: Backbone, images: Tensor) -> None:
    seen = forward(backbone, images, strategy=AtTheInput())
    assert torch.equal(seen.features, forward(backbone, images, kept=all_patches(images)[:, ::2].contiguous()).features)


def test_requested_patches_take_precedence_over_the_strategys(backbone: Backbone, images: Tensor) -> None:
    kept = some_patches(images)
    assert forward(backbone, images, kept=kept, strategy=AtTheInput()).kept is kept


def test_dropped_patches_are_those_with_the_least_attention(backbone: Backbone, images: Tensor) -> None:
    _, attentions = slow(backbone.vit, backbone.normalize(images))
    seen = forward(backbone, images, strategy=Drop(at=(1,), ratio=0.75))
    scores = attentions[1].mean(1)[:, 0, 1:]
    best = scores.argsort(1, descending=True)[:, :4].sort(1).values
    assert seen.kept is not None
    assert torch.equal(seen.kept, best)


def test_dropped_patches_have_no_effect_in_later_layers(backbone: Backbone, images: Tensor) -> None:
    seen = forward(backbone, images, strategy=Drop(at=(0,), ratio=0.5))
    assert seen.kept is not None
    later = mask_of(seen.kept)
    expected, _ = slow(backbone.vit, backbone.normalize(images), [torch.ones_like(later), later, later])
    assert torch.allclose(seen.features, expected, rtol=0, atol=1e-10)


def test_patches_kept_twice_are_indices_into_the_image(backbone: Backbone, images: Tensor) -> None:
    first = forward(backbone, images, strategy=Drop(at=(0,), ratio=0.5)).kept
    seen = forward(backbone, images, strategy=Drop(at=(0, 1), ratio=0.5))
    assert first is not None
    assert seen.kept is not None
    assert seen.kept.shape == (6, 4)
    masks = [torch.ones(6, PATCHES + 1, dtype=torch.bool), mask_of(first), mask_of(seen.kept)]
    expected, attentions = slow(backbone.vit, backbone.normalize(images), masks)
    assert torch.allclose(seen.features, expected, rtol=0, atol=1e-10)
    best = attentions[1].mean(1)[:, 0, 1:].argsort(1, descending=True)[:, :4].sort(1).values
    assert torch.equal(seen.kept, best)


def test_dropping_in_the_last_layer_leaves_the_features_unchanged(backbone: Backbone, images: Tensor) -> None:
    seen = forward(backbone, images, strategy=Drop(at=(2,), ratio=0.9))
    assert torch.allclose(seen.features, forward(backbone, images).features, rtol=0, atol=1e-10)
    assert seen.kept is not None
    assert seen.kept.shape == (6, 2)


def test_layers_can_be_counted_from_the_end(backbone: Backbone, images: Tensor) -> None:
    last, third = (forward(backbone, images, strategy=Drop(at=(at,))) for at in (-1, 2))
    assert last.kept is not None
    assert third.kept is not None
    assert torch.equal(last.kept, third.kept)


def test_the_class_token_is_kept_and_not_counted(backbone: Backbone, images: Tensor) -> None:
    assert forward(backbone, images, strategy=FixedChoice((3,))).features.shape == (6, 24)


def test_a_view_has_its_layer_and_progress(backbone: Backbone, images: Tensor) -> None:
    views: list[LayerView] = []

    @dataclass(frozen=True)
    class Recording(Drop):
        def select(self, view: LayerView) -> Tensor | None:
            views.append(view)
            return super().select(view)

    forward(backbone, images, strategy=Recording(at=(0, 2)), progress=0.25)
    assert [(v.layer, v.layers, v.progress, v.attention.shape[-1]) for v in views] == [
        (0, 3, 0.25, 17),
        (2, 3, 0.25, 9),
    ]


@pytest.mark.parametrize("strategy", [Drop(at=(0, 1, 1)), AtTheInput()])
def test_no_hook_is_left_on_the_network(
    backbone: Backbone, images: Tensor, strategy: EfficiencyStrategy, make_entry: Callable[..., LoraEntry]
) -> None:
    forward(backbone, images, LoraBank.of([make_entry(0)], images), strategy=strategy)
    assert_untouched(backbone)


def test_no_hook_is_left_on_the_network_when_the_strategy_raises(
    backbone: Backbone, images: Tensor, make_entry: Callable[..., LoraEntry]
) -> None:
    with pytest.raises(KeyError):
        forward(backbone, images, LoraBank.of([make_entry(0)], images), some_patches(images), Raise(at=(1, 2)))
    assert_untouched(backbone)


def test_choosing_no_patch_is_a_contract_error(backbone: Backbone, images: Tensor) -> None:
    with pytest.raises(ContractError) as caught:
        forward(backbone, images, strategy=FixedChoice(()))
    assert str(caught.value) == ("Efficiency strategy 'answer' kept no patch. It must keep at least one per image.")
    assert_untouched(backbone)


@pytest.mark.parametrize("chosen", [(0, 3), (15,), (1, 99)])
def test_choosing_dropped_patches_is_a_contract_error(
    backbone: Backbone, images: Tensor, chosen: tuple[int, ...]
) -> None:
    kept = torch.tensor([[1, 2, 3, 8]] * 6)
    with pytest.raises(ContractError) as caught:
        forward(backbone, images, kept=kept, strategy=FixedChoice(chosen))
    assert str(caught.value) == (
        "Efficiency strategy 'answer' chose patches that were already dropped. Choose from view.kept."
    )
    assert_untouched(backbone)
