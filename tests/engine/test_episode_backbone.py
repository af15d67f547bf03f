"""LoRAs of many episodes act side by side on one frozen trunk, each on its own images."""

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


def test_a_trunk_is_the_frozen_copy_that_a_bench_hands_out(backbone: Backbone) -> None:
    network = backbone.trainable_copy()
    trunk = EpisodeBackbone.of(network)
    assert not any(weight.requires_grad for weight in network.parameters())
    assert trunk.vit is not backbone.vit
    assert torch.allclose(trunk.features(IMAGES).flatten(0, 1), forward(backbone, IMAGES.flatten(0, 1)).features)


def test_another_network_is_refused() -> None:
    with pytest.raises(ContractError, match=r"the network that bench.backbone\(\) returns"):
        EpisodeBackbone.of(nn.Linear(2, 2))


def test_joined_banks_act_each_on_its_own_episode(backbone: Backbone, make_entry: MakeEntry) -> None:
    trunk = EpisodeBackbone.of(backbone.trainable_copy())
    banks = [LoraBank.of([make_entry(seed)], trunk.like) for seed in range(3)]
    actual = trunk.features(IMAGES, LoraBank.joined(banks))
    for e, bank in enumerate(banks):
        assert torch.allclose(actual[e], trunk.features(IMAGES[e : e + 1], bank)[0], atol=1e-10)


@pytest.mark.parametrize("at_once", [1, 7, 100])
def test_parts_give_what_the_whole_gives(backbone: Backbone, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", at_once)
    trunk = EpisodeBackbone.of(backbone.trainable_copy())
    slots = slots_of(trunk.vit)
    rngs = [torch.Generator().manual_seed(seed) for seed in range(3)]
    bank = LoraBank.joined([LoraBank.fresh(trunk.vit, slots, 2, 1, rng) for rng in rngs])
    for index in range(len(bank.b)):
        nn.init.normal_(bank.b[index], generator=rngs[0])
    parts = trunk.features_without_gradient(IMAGES, bank)
    assert not parts.requires_grad
    assert torch.allclose(parts, trunk.features(IMAGES, bank), atol=1e-10)
