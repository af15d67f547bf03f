"""Pruning drops the patches that the class token attends to least, at the requested layers and steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from freeshot.basics.errors import OptionError
from freeshot.contracts.tensors import LayerView
from freeshot.engine import forward
from freeshot_lora_recycle.pruning import AllTokens, ClsAttention, highest

if TYPE_CHECKING:
    from torch import Tensor

    from freeshot.engine import Backbone

PATCHES = 16


def images(count: int = 3) -> Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def obviously_highest(score: list[float], ratio: float) -> list[int]:
    order = sorted(range(len(score)), key=lambda index: score[index])
    return sorted(order[int(len(score) * ratio) :])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 20), st.floats(0, 0.999))
def test_the_least_attended_share_is_dropped_rounded_down(seed: int, patches: int, ratio: float) -> None:
    score = torch.rand(3, patches, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert highest(score, ratio).tolist() == [obviously_highest(row.tolist(), ratio) for row in score]


@pytest.mark.parametrize(("patches", "ratio", "kept"), [(196, 0.75, 49), (196, 0.5, 98), (10, 0.25, 8), (3, 0.3, 3)])
def test_the_number_of_kept_patches(patches: int, ratio: float, kept: int) -> None:
    assert highest(torch.rand(1, patches), ratio).shape == (1, kept)


def test_attention_is_averaged_over_heads_and_taken_from_the_class_token() -> None:
    attention = torch.zeros(1, 2, 5, 5)
    attention[0, :, 0, 1:] = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.5, 0.1, 0.1, 0.2]])
    attention[0, :, 1:, 1:] = torch.rand(4, 4)
    view = LayerView(3, 4, 1.0, attention, torch.zeros(1, 2, 5, 3), torch.tensor([[2, 5, 7, 11]]))
    kept = ClsAttention(ratio=0.5).select(view)
    assert kept is not None
    assert kept.tolist() == [[2, 11]]


def test_each_layer_can_have_its_own_share(backbone: Backbone) -> None:
    kept = forward(backbone, images(), strategy=ClsAttention(at=(-1, 0, 2), ratios=(0.75, 0.5, 0.0))).kept
    assert kept is not None
    assert kept.shape == (3, 2)  # 16 → 8 in layer 0, all of them in layer 2, 2 in the last


def test_a_single_share_for_all_layers_is_the_same_share_for_each(backbone: Backbone) -> None:
    shared, each = (
        forward(backbone, images(), strategy=s).kept
        for s in (ClsAttention(at=(0, 2), ratio=0.5), ClsAttention(at=(0, 2), ratios=(0.5, 0.5)))
    )
    assert shared is not None
    assert each is not None
    assert torch.equal(shared, each)


@pytest.mark.parametrize(
    ("ratios", "why"), [((0.5,), "for each of the 2 layers of 'at', but names 1"), ((0.5, 1.0), "but is 1.0")]
)
def test_shares_that_do_not_fit_are_refused(ratios: tuple[float, ...], why: str) -> None:
    with pytest.raises(OptionError, match=f"Option 'ratios' of 'cls-attention' must .*{why}"):
        ClsAttention(at=(0, 1), ratios=ratios)


def test_each_layer_drops_its_share_of_the_remaining_patches(backbone: Backbone) -> None:
    kept = forward(backbone, images(), strategy=ClsAttention(at=(0, 1, -1), ratio=0.5)).kept
    assert kept is not None
    assert kept.shape == (3, 2)


def test_the_default_drops_three_quarters_in_the_last_layer() -> None:
    assert (ClsAttention().layers(12), ClsAttention().ratio) == ((11,), 0.75)


def test_layers_are_counted_from_zero_and_from_the_end() -> None:
    assert ClsAttention(at=(-1, 2)).layers(12) == (2, 11)


def test_nothing_is_dropped_before_the_start(backbone: Backbone) -> None:
    late = ClsAttention(start=0.25)
    assert forward(backbone, images(), strategy=late, progress=0.2).kept is None
    assert forward(backbone, images(), strategy=late, progress=0.25).kept is not None


def test_keeping_everything_changes_nothing(backbone: Backbone) -> None:
    plain = forward(backbone, images()).features
    assert torch.allclose(forward(backbone, images(), strategy=ClsAttention(ratio=0.0)).features, plain, atol=1e-5)
    assert torch.equal(forward(backbone, images(), strategy=AllTokens()).features, plain)


def test_the_residual_of_the_released_code_changes_the_output(backbone: Backbone) -> None:
    ours, theirs = (
        forward(backbone, images(), strategy=ClsAttention(paper_code_residual=switch)).features
        for switch in (False, True)
    )
    assert not torch.allclose(ours, theirs, atol=1e-3)


def test_the_residual_of_the_released_code_leaves_the_mask_of_the_last_layer(backbone: Backbone) -> None:
    ours, theirs = (
        forward(backbone, images(), strategy=ClsAttention(paper_code_residual=switch)).kept for switch in (False, True)
    )
    assert ours is not None
    assert theirs is not None
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("ratio", [-0.1, 1.0, 1.5])
def test_a_ratio_out_of_range_is_refused(ratio: float) -> None:
    with pytest.raises(OptionError, match=rf"'ratio' of 'cls-attention' must lie in 0…1, 1 excluded, but is {ratio}"):
        ClsAttention(ratio=ratio)


@pytest.mark.parametrize("layer", [12, -13])
def test_a_missing_layer_is_refused(layer: int) -> None:
    with pytest.raises(OptionError, match=rf"names layer {layer}, but the backbone has 12\."):
        ClsAttention(at=(layer,)).layers(12)
