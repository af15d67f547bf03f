"""A backbone is frozen, checked and identified by the hash of its weights."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import pytest
import torch
from timm.layers import QuickGELU
from torch import Tensor, nn

from freeshot.basics.errors import ContractError
from freeshot.contracts.backbone import BackboneProvider
from freeshot.engine.vit.backbone import Backbone, Normalize, open_backbone, weights_sha256
from freeshot.testing.toy import ToyVit


@pytest.fixture(scope="module")
def toy() -> Backbone:
    return open_backbone(ToyVit())


def test_the_toy_networks_hash_is_the_same_everywhere(toy: Backbone) -> None:
    assert toy.sha256 == "376bf53677b17a3b530bc6b4fe51e91236b87f76588cb475be719fde97479a37"


def test_one_weight_changes_the_hash(toy: Backbone) -> None:
    vit = ToyVit().build()
    assert weights_sha256(vit) == toy.sha256
    with torch.no_grad():
        next(vit.parameters()).flatten()[0] += 1e-3
    assert weights_sha256(vit) != toy.sha256


def test_names_and_shapes_change_the_hash() -> None:
    flat, tall = nn.Linear(4, 1, bias=False), nn.Linear(1, 4, bias=False)
    with torch.no_grad():
        flat.weight.zero_()
        tall.weight.zero_()
    assert len({weights_sha256(m) for m in (flat, tall, nn.Sequential(flat))}) == 3


def test_the_same_weights_under_another_activation_are_another_network(toy: Backbone) -> None:
    quick = copy.deepcopy(toy.vit)
    for block in quick.blocks:  # type: ignore[union-attr]
        block.mlp.act = QuickGELU()
    assert weights_sha256(quick) != toy.sha256


def test_an_opened_network_is_frozen_and_in_eval_mode(toy: Backbone) -> None:
    assert not toy.vit.training
    assert not any(p.requires_grad for p in toy.vit.parameters())
    assert (toy.name, toy.image_size, toy.device, toy.dtype) == ("toy-vit", 16, torch.device("cpu"), torch.float32)


def test_training_a_trainable_copy_leaves_the_network_unchanged(toy: Backbone) -> None:
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    copy = toy.trainable_copy()
    assert torch.equal(copy(images), toy.vit(toy.normalize(images)))
    with torch.no_grad():
        for weight in copy.parameters():
            assert weight.requires_grad
            weight.zero_()
    assert weights_sha256(toy.vit) == toy.sha256


def test_images_are_normalised_channel_by_channel() -> None:
    normalized = Normalize((0.5, 0.25, 0.0), (0.5, 0.25, 1.0))(torch.ones(1, 3, 2, 2))
    assert normalized[0, :, 0, 0].tolist() == [1.0, 3.0, 1.0]


class Pixels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, images: Tensor) -> Tensor:
        return images * self.scale


class Pairs(Pixels):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        return images, images


@dataclass(frozen=True)
class Odd(BackboneProvider):
    """Return outputs that are not features."""

    name = "odd"

    pairs: bool = False

    def build(self) -> nn.Module:
        return Pairs() if self.pairs else Pixels()

    def image_size(self) -> int:
        return 4


@pytest.mark.parametrize(("pairs", "output"), [(False, "[2, 3, 4, 4]"), (True, "tuple")])
def test_a_model_without_features_is_an_error(pairs: bool, output: str) -> None:
    with pytest.raises(ContractError) as caught:
        open_backbone(Odd(pairs=pairs))
    assert str(caught.value) == f"Backbone 'odd' must map images to features [b, d], but gave {output}."
