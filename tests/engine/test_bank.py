"""A bank of LoRAs equals its LoRAs one by one, merged into the weights, and as PEFT runs them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from freeshot.basics.errors import PoolError
from freeshot.contracts.pool import LoraEntry, Slot
from freeshot.engine.lora.bank import TARGETS, LoraBank, merge, slots_of
from freeshot.engine.vit.backbone import Backbone
from freeshot.engine.vit.forward import forward
from freeshot.pool.store import write_entry

MakeEntry = Callable[..., LoraEntry]


def like(backbone: Backbone) -> Tensor:
    return next(backbone.vit.parameters())


def bank_of(backbone: Backbone, *entries: LoraEntry) -> LoraBank:
    return LoraBank.of(entries, like(backbone))


def one_by_one(backbone: Backbone, entries: list[LoraEntry], images: Tensor) -> Tensor:
    groups = images.chunk(len(entries))
    return torch.cat(
        [forward(backbone, g, bank_of(backbone, e)).features for g, e in zip(groups, entries, strict=True)]
    )


def test_slots_are_q_and_v_of_every_block(backbone: Backbone) -> None:
    slots = slots_of(backbone.vit)
    assert slots[:2] == (Slot("blocks.0.attn.qkv", 0, 24), Slot("blocks.0.attn.qkv", 48, 72))
    assert len(slots) == 6


def test_slots_can_be_those_of_k(backbone: Backbone) -> None:
    assert slots_of(backbone.vit, ("k",))[0] == Slot("blocks.0.attn.qkv", 24, 48)


def test_slots_can_be_every_linear_layer_of_a_block(backbone: Backbone) -> None:
    first = [slot.module for slot in slots_of(backbone.vit, TARGETS) if slot.module.startswith("blocks.0")]
    assert first == ["blocks.0.attn.qkv"] * 3 + ["blocks.0.attn.proj", "blocks.0.mlp.fc1", "blocks.0.mlp.fc2"]


def test_a_bank_on_every_linear_layer_is_its_merged_networks(
    backbone: Backbone, images: Tensor, make_entry: MakeEntry
) -> None:
    entries = [make_entry(n, targets=TARGETS) for n in range(2)]
    together = forward(backbone, images, bank_of(backbone, *entries)).features
    with torch.no_grad():
        parts = [
            merge(backbone.vit, bank_of(backbone, e))(backbone.normalize(group))
            for e, group in zip(entries, images.chunk(2), strict=True)
        ]
    assert torch.allclose(together, torch.cat(parts), rtol=0, atol=1e-10)
    assert not torch.allclose(together, forward(backbone, images).features, atol=1e-2)


def test_a_bank_is_vmap_over_its_merged_networks(backbone: Backbone, images: Tensor, make_entry: MakeEntry) -> None:
    """torch's own way to run a stack of models, which copies the whole backbone, gives the same features."""
    entries = [make_entry(n, targets=TARGETS) for n in range(3)]
    networks = [merge(backbone.vit, bank_of(backbone, entry)) for entry in entries]
    weights, buffers = torch.func.stack_module_state(networks)

    def run(weights: dict[str, Tensor], buffers: dict[str, Tensor], group: Tensor) -> Tensor:
        features: Tensor = torch.func.functional_call(backbone.vit, (weights, buffers), (group,))
        return features

    groups = backbone.normalize(images).view(3, 2, *images.shape[1:])
    with sdpa_kernel(SDPBackend.MATH):  # the fused kernel has no rule for vmap
        expected = torch.func.vmap(run)(weights, buffers, groups).flatten(0, 1)
    actual = forward(backbone, images, bank_of(backbone, *entries)).features
    assert torch.allclose(actual, expected, rtol=0, atol=1e-10)


def test_gradients_are_clipped_lora_by_lora(backbone: Backbone, images: Tensor, make_entry: MakeEntry) -> None:
    bank = bank_of(backbone, *(make_entry(n) for n in range(3)))
    heads = torch.ones(3, 2, 24, dtype=torch.float64, requires_grad=True)
    features = forward(backbone, images, bank).features.view(3, 2, -1)
    steep = torch.tensor([0.001, 1, 100], dtype=torch.float64).view(3, 1, 1)
    (features @ heads.mT * steep).sum().backward()  # type: ignore[no-untyped-call]
    weights = [*bank.parameters(), heads]
    before = [weight.grad.clone() for weight in weights if weight.grad is not None]
    norms = bank.clip_gradients(1.0, heads)
    for lora in range(3):
        norm = torch.cat([gradient[lora].flatten() for gradient in before]).norm()
        assert torch.allclose(norms[lora], norm)
        for weight, gradient in zip(weights, before, strict=True):
            assert weight.grad is not None
            assert torch.allclose(weight.grad[lora], gradient[lora] / max(norm, torch.tensor(1.0)))


def test_an_unknown_layer_is_an_error_that_lists_the_layers(backbone: Backbone) -> None:
    with pytest.raises(PoolError, match=r"^LoRAs can act on q, k, v, proj, fc1, fc2, not on 'out'\."):
        slots_of(backbone.vit, ("q", "out"))


def test_a_network_without_fused_attention_is_an_error() -> None:
    with pytest.raises(PoolError, match=r"^This backbone has no layer 'attn\.qkv'.*Use a timm ViT\.$"):
        slots_of(nn.Linear(2, 2))


def test_a_fresh_bank_changes_nothing_bit_for_bit(backbone: Backbone, images: Tensor) -> None:
    bank = LoraBank.fresh(backbone.vit, slots_of(backbone.vit), 4, 3, torch.Generator().manual_seed(0))
    assert torch.equal(forward(backbone, images, bank).features, forward(backbone, images).features)


def test_a_fresh_bank_has_the_initial_values_of_lora(backbone: Backbone) -> None:
    bank = LoraBank.fresh(backbone.vit, slots_of(backbone.vit), 4, 3, torch.Generator().manual_seed(0))
    assert all(a.abs().max() <= 24**-0.5 and a.std() > 0.1 for a in bank.a)
    assert not any(b.any() for b in bank.b)


def test_a_bank_equals_its_loras_one_by_one(backbone: Backbone, images: Tensor, make_entry: MakeEntry) -> None:
    entries = [make_entry(seed) for seed in range(3)]
    together = forward(backbone, images, bank_of(backbone, *entries)).features
    assert torch.allclose(together, one_by_one(backbone, entries, images), rtol=0, atol=1e-10)
    assert (together - forward(backbone, images).features).abs().max() > 0.1  # the LoRAs do something


def test_padding_lower_ranks_has_no_effect(backbone: Backbone, images: Tensor, make_entry: MakeEntry) -> None:
    entries = [make_entry(1, rank=1), make_entry(2, rank=5), make_entry(3, rank=3)]
    together = forward(backbone, images, bank_of(backbone, *entries)).features
    assert torch.allclose(together, one_by_one(backbone, entries, images), rtol=0, atol=1e-10)


def test_loras_of_different_layers_in_one_bank_are_an_error(backbone: Backbone, make_entry: MakeEntry) -> None:
    with pytest.raises(PoolError, match=r"^LoRAs of one bank must act on the same layers\. Invert them separately\.$"):
        bank_of(backbone, make_entry(0), make_entry(1, targets=("q",)))


@pytest.mark.parametrize("targets", [("q", "v"), ("k",), ("q", "k", "v")])
def test_merging_equals_hooking(
    backbone: Backbone, images: Tensor, make_entry: MakeEntry, targets: tuple[str, ...]
) -> None:
    bank = bank_of(backbone, make_entry(0, targets=targets))
    merged = merge(backbone.vit, bank)(backbone.normalize(images))
    assert torch.allclose(merged, forward(backbone, images, bank).features, rtol=0, atol=1e-10)


def test_merging_leaves_the_network_unchanged(backbone: Backbone, make_entry: MakeEntry) -> None:
    before = copy.deepcopy(backbone.vit.state_dict())
    merge(backbone.vit, bank_of(backbone, make_entry(0)))
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.vit.state_dict().items())


def test_several_loras_cannot_be_merged(backbone: Backbone, make_entry: MakeEntry) -> None:
    with pytest.raises(PoolError, match=r"^Only one LoRA can be merged into a network, but the bank holds 2\.$"):
        merge(backbone.vit, bank_of(backbone, make_entry(0), make_entry(1)))


def test_the_factors_of_a_lora_in_a_bank_are_those_of_its_entry(backbone: Backbone, make_entry: MakeEntry) -> None:
    entries = [make_entry(seed) for seed in range(3)]
    out = bank_of(backbone, *entries).entry_factors(1)
    assert all(torch.equal(t, u) for slot in out for t, u in zip(out[slot], entries[1].factors[slot], strict=True))


def test_each_loras_gradient_comes_from_its_own_images(
    backbone: Backbone, images: Tensor, make_entry: MakeEntry
) -> None:
    bank = bank_of(backbone, make_entry(0), make_entry(1))
    forward(backbone, images, bank).features[:3].sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and p.grad[0].any() and not p.grad[1].any() for p in bank.parameters())


@pytest.mark.filterwarnings("default")  # imports of peft raise warnings of other packages
def test_a_stored_lora_acts_in_peft_as_in_the_bank(
    backbone: Backbone, images: Tensor, make_entry: MakeEntry, tmp_path: Path
) -> None:
    from peft import PeftModel

    entry = make_entry(0, rank=3)
    write_entry(tmp_path, entry, "small", {slot.module: 72 for slot in entry.factors})
    vit: Any = copy.deepcopy(backbone.vit)
    peft: Any = PeftModel.from_pretrained(vit, str(tmp_path)).eval()
    with torch.no_grad():
        features = peft.base_model.model(backbone.normalize(images))
    assert torch.allclose(features, forward(backbone, images, bank_of(backbone, entry)).features, rtol=0, atol=1e-10)
