"""Merging equals ToMe written out pair by pair; random patches are as many as pruned ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from freeshot.basics.errors import OptionError
from freeshot.contracts.tensors import LayerView
from freeshot.engine import forward
from freeshot.engine.vit.forward import TokenState, reduce_tokens
from freeshot_lora_recycle.merging import TokenMerging
from freeshot_lora_recycle.pruning import ClsAttention, RandomPatches

if TYPE_CHECKING:
    from freeshot.engine import Backbone

PATCHES = 16


def images(count: int = 3) -> Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def view_of(patches: int, seed: int) -> LayerView:
    rng = torch.Generator().manual_seed(seed)
    keys = torch.randn(2, 3, patches + 1, 4, generator=rng, dtype=torch.float64)
    attention = torch.full((2, 3, patches + 1, patches + 1), 1 / (patches + 1))
    kept = torch.arange(40)[torch.randperm(40, generator=rng)[:patches].sort().values].expand(2, -1)
    return LayerView(0, 4, 1.0, attention, keys, kept)


def merged_by_hand(
    tokens: Tensor, keys: Tensor, sizes: list[float], merge: int
) -> tuple[list[int], Tensor, list[float]]:
    """Merge one image's tokens [t, d] pair by pair: patches that stay, tokens, sizes."""
    metric = keys.mean(0)[1:]
    metric = metric / metric.norm(dim=1, keepdim=True)
    pairs = []
    for a in range(0, len(metric), 2):
        similarities = [(float(metric[a] @ metric[b]), b) for b in range(1, len(metric), 2)]
        if similarities:
            pairs.append((*max(similarities), a))
    pairs = sorted(pairs, reverse=True)[: min(merge, len(metric) // 2)]
    sums = {index: tokens[index] * sizes[index] for index in range(len(tokens))}
    mass = dict(enumerate(sizes))
    for _, b, a in pairs:
        sums[b + 1] = sums[b + 1] + sums.pop(a + 1)
        mass[b + 1] += mass.pop(a + 1)
    order = sorted(sums)
    return [p - 1 for p in order[1:]], torch.stack([sums[p] / mass[p] for p in order]), [mass[p] for p in order]


@pytest.mark.parametrize("patches", [1, 2, 7, 16])
@pytest.mark.parametrize("merge", [1, 3, 100])
def test_merging_equals_a_loop_over_pairs(patches: int, merge: int) -> None:
    strategy, view = TokenMerging(merge=merge), view_of(patches, patches)
    rng = torch.Generator().manual_seed(5)
    tokens = torch.randn(2, patches + 1, 6, generator=rng, dtype=torch.float64)
    sizes = torch.randint(1, 4, (2, patches + 1), generator=rng).double()
    choice = strategy.select(view)
    if choice is None:
        assert patches == 1
        return
    state = TokenState(view.kept, sizes)
    actual = reduce_tokens(tokens, view, torch.searchsorted(view.kept.contiguous(), choice), strategy, state)
    for image in range(2):
        stay, expected, mass = merged_by_hand(tokens[image], view.keys[image], sizes[image].tolist(), merge)
        assert choice[image].tolist() == view.kept[image][stay].tolist()
        assert torch.allclose(actual[image], expected, rtol=0, atol=1e-10)
        assert state.sizes is not None
        assert state.sizes[image].tolist() == mass


def test_each_layer_merges_the_same_number(backbone: Backbone) -> None:
    kept = forward(backbone, images(), strategy=TokenMerging(merge=3)).kept
    assert kept is not None
    assert kept.shape == (3, PATCHES - 4 * 3)


def test_merging_equal_patches_changes_nothing(backbone: Backbone) -> None:
    """Two equal tokens and one of size two are the same to proportional attention, but only without positions."""
    network: torch.nn.Module = backbone.vit
    position = network.get_parameter("pos_embed").data
    before = position.clone()
    try:
        position[:, 2:] = position[:, 1:2]
        flat = torch.full((2, 3, 16, 16), 0.3)
        plain = forward(backbone, flat).features
        assert torch.allclose(forward(backbone, flat, strategy=TokenMerging(merge=2)).features, plain, atol=1e-5)
    finally:
        position.copy_(before)


def test_nothing_to_merge_is_timms_forward(backbone: Backbone) -> None:
    assert torch.allclose(
        forward(backbone, images(), strategy=TokenMerging(merge=0)).features,
        forward(backbone, images()).features,
        atol=1e-5,
    )


def test_a_gradient_reaches_merged_patches(backbone: Backbone) -> None:
    shown = images().requires_grad_()
    forward(backbone, shown, strategy=TokenMerging(merge=3)).features[:, 0].sum().backward()  # type: ignore[no-untyped-call]
    assert shown.grad is not None
    cells = shown.grad.abs().sum(1).reshape(3, 4, 4, 4, 4).sum((2, 4))
    assert (cells > 0).all()


def test_a_negative_number_of_pairs_is_refused() -> None:
    with pytest.raises(OptionError, match="must not be negative, but is -1"):
        TokenMerging(merge=-1)


def test_random_patches_are_as_many_as_class_attention_keeps(backbone: Backbone) -> None:
    chance, attended = (forward(backbone, images(), strategy=s(ratio=0.75)).kept for s in (RandomPatches, ClsAttention))
    assert chance is not None
    assert attended is not None
    assert chance.shape == attended.shape
    assert not torch.equal(chance, attended)


def test_random_patches_are_fixed_during_an_inversion_and_differ_between_draws(backbone: Backbone) -> None:
    first, again, other = (
        forward(backbone, images(), strategy=RandomPatches(draw=draw), progress=progress).kept
        for draw, progress in ((0, 0.1), (0, 1.0), (1, 1.0))
    )
    assert first is not None
    assert again is not None
    assert other is not None
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
