"""Strategies that act after the last attention choose masks and change no feature; all others change features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from freeshot.contracts.pool import LoraEntry
from freeshot.contracts.strategy import EfficiencyStrategy
from freeshot.contracts.tensors import LayerView, Shots, SurrogateSet
from freeshot.engine.inversion.mask_only import only_masks, with_mask
from freeshot.engine.inversion.teacher import BankTeacher
from freeshot.engine.vit.backbone import Backbone

MakeEntry = Callable[..., LoraEntry]


@dataclass(frozen=True)
class FirstThree(EfficiencyStrategy):
    """Keep the first three patches after a layer."""

    name = "first-three"
    at: int = -1

    def layers(self, depth: int) -> tuple[int, ...]:
        return (self.at % depth,)

    def select(self, view: LayerView) -> Tensor:
        return view.kept[:, :3]


class AtTheInput(FirstThree):
    """Also define `patches`, which drops patches at the input."""

    def patches(self, progress: float, images: Tensor) -> Tensor | None:
        return None


class Merging(FirstThree):
    """Also define `merging`."""

    def merging(self, view: LayerView, kept: Tensor) -> Tensor | None:
        return None


class OtherResidual(FirstThree):
    """Also define `residual`."""

    def residual(self, tokens: Tensor, normed: Tensor) -> Tensor:
        return normed


@pytest.mark.parametrize("strategy", [EfficiencyStrategy(), FirstThree(), FirstThree(at=2)])
def test_after_the_last_attention_features_are_unchanged(
    backbone: Backbone, images: Tensor, make_entry: MakeEntry, strategy: EfficiencyStrategy
) -> None:
    assert only_masks(backbone.vit, strategy)
    seen, plain = (BankTeacher(backbone, [make_entry(1)], s).logits(images) for s in (strategy, None))
    assert torch.allclose(seen, plain, rtol=0, atol=1e-12)


@pytest.mark.parametrize("strategy", [FirstThree(at=1), AtTheInput(), Merging(), OtherResidual()])
def test_strategies_that_may_change_a_feature_are_not_mask_only(
    backbone: Backbone, strategy: EfficiencyStrategy
) -> None:
    assert not only_masks(backbone.vit, strategy)


def test_with_average_pooling_no_strategy_is_mask_only(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbone.vit, "global_pool", "avg")
    assert not only_masks(backbone.vit, FirstThree())


def test_the_mask_has_the_final_patches_of_the_lora(backbone: Backbone, images: Tensor, make_entry: MakeEntry) -> None:
    entry = make_entry(1)
    logits = torch.zeros(6, 2)
    bare = SurrogateSet(Shots(images, torch.zeros(6)), (0, 1), logits, logits, "lora-001")
    kept = with_mask(backbone, entry, FirstThree(), bare).shots.kept
    expected = BankTeacher(backbone, [entry], FirstThree()).final_patches(images)
    assert kept is not None
    assert expected is not None
    assert torch.equal(kept, expected)
    assert with_mask(backbone, entry, EfficiencyStrategy(), bare).shots.kept is None
