"""LoRAs of many episodes act side by side on one frozen backbone, each on its own images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from freeshot.basics.errors import ContractError
from freeshot.engine import EpisodeBackbone, LoraBank, forward, slots_of
from freeshot.engine.vit import episode_backbone as module

if TYPE_CHECKING:
    from tests.engine.conftest import MakeEntry

    from freeshot.engine import Backbone

IMAGES = torch.rand(3, 5, 3, 16, 16, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


def test_an_episode_backbone_is_the_frozen_copy_that_a_workbench_returns(backbone: Backbone) -> None:
    network = backbone.trainable_copy()
    episodic = EpisodeBackbone.of(network)
    assert not any(weight.requires_grad for weight in network.parameters())
    assert episodic.vit is not backbone.vit
    assert torch.allclose(episodic.features(IMAGES).flatten(0, 1), forward(backbone, IMAGES.flatten(0, 1)).features)


def test_another_network_is_an_error() -> None:
    with pytest.raises(ContractError, match=r"the network that bench.backbone\(\) returns"):
        EpisodeBackbone.of(nn.Linear(2, 2))


def test_joined_banks_act_each_on_its_own_episode(backbone: Backbone, make_entry: MakeEntry) -> None:
    episodic = EpisodeBackbone.of(backbone.trainable_copy())
    banks = [LoraBank.of([make_entry(seed)], episodic.like) for seed in range(3)]
    actual = episodic.features(IMAGES, LoraBank.joined(banks))
    for e, bank in enumerate(banks):
        assert torch.allclose(actual[e], episodic.features(IMAGES[e : e + 1], bank)[0], atol=1e-10)


@pytest.mark.parametrize("at_once", [1, 7, 100])
def test_batches_give_the_features_of_the_whole(
    backbone: Backbone, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", at_once)
    episodic = EpisodeBackbone.of(backbone.trainable_copy())
    slots = slots_of(episodic.vit)
    rngs = [torch.Generator().manual_seed(seed) for seed in range(3)]
    bank = LoraBank.joined([LoraBank.fresh(episodic.vit, slots, 2, 1, rng) for rng in rngs])
    for index in range(len(bank.b)):
        nn.init.normal_(bank.b[index], generator=rngs[0])
    batched = episodic.features_without_gradient(IMAGES, bank)
    assert not batched.requires_grad
    assert torch.allclose(batched, episodic.features(IMAGES, bank), atol=1e-10)
