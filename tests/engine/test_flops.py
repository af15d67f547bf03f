"""The linear convention reproduces the GFLOPs that LoRA Recycle prints; the executed one counts attention too."""

from __future__ import annotations

import functools

import pytest
import timm
import torch

from freeshot.engine.lora.bank import LoraBank, slots_of
from freeshot.engine.metering.flops import Flops, flops_of
from freeshot.engine.vit.backbone import Backbone, Normalize
from freeshot_lora_recycle.pruning import ClsAttention

PATCHES = 196


@functools.cache
def clip() -> Backbone:
    """Return CLIP's ViT-B/16 with random weights; the projection to 512 counts as in the paper."""
    vit = timm.create_model("vit_base_patch16_clip_224", num_classes=512).eval().requires_grad_(False)
    return Backbone("clip", vit, Normalize((0.5,) * 3, (0.5,) * 3), 224, "0")


@functools.cache
def lora() -> LoraBank:
    return LoraBank.fresh(clip().vit, slots_of(clip().vit), 4, 1, torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("schedule", "printed"),
    [({}, 50.59), ({11: 0.75}, 48.51), ({8: 0.75}, 39.14), ({6: 0.75}, 32.89)],
)
def test_table_4_of_the_paper(schedule: dict[int, float], printed: float) -> None:
    strategy = ClsAttention(at=tuple(schedule), ratio=0.75) if schedule else None
    assert flops_of(clip(), lora(), strategy=strategy).linear / 1e9 == pytest.approx(printed, rel=2e-3)


@pytest.mark.parametrize(("share", "printed"), [(0.25, 38.09), (0.5, 25.60), (0.75, 13.10)])
def test_table_5_of_the_paper(share: float, printed: float) -> None:
    kept = torch.arange(round(PATCHES * (1 - share))).unsqueeze(0)
    assert flops_of(clip(), lora(), kept).linear / 1e9 == pytest.approx(printed, rel=2e-3)


def test_executed_operations_are_those_of_the_obvious_sum(backbone: Backbone) -> None:
    """Without LoRA, weights are frozen: one backward product per layer, and two per attention product."""
    width, tokens, hidden = 24, 17, 96
    forward = 16 * 3 * 16 * width  # patch embedding
    forward += 3 * tokens * (4 * width * width + 2 * width * hidden)
    attention = 3 * 2 * tokens * tokens * width
    actual = flops_of(backbone)
    assert actual.linear == 3 * forward
    assert actual.executed == pytest.approx(2 * (2 * forward + 3 * attention), rel=0.1)


def test_a_bank_costs_each_image_what_one_lora_costs(backbone: Backbone) -> None:
    def cost(count: int) -> Flops:
        bank = LoraBank.fresh(backbone.vit, slots_of(backbone.vit), 2, count, torch.Generator().manual_seed(0))
        return flops_of(backbone, bank)

    assert cost(1) == cost(3)
    assert cost(1).linear - flops_of(backbone).linear == 3 * 3 * 2 * 17 * 2 * (24 + 24)


def test_counting_leaves_no_hook_behind(backbone: Backbone) -> None:
    flops_of(backbone)
    assert not any(module._forward_hooks for module in backbone.vit.modules())
