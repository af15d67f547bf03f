"""ICM-LoRA: one form for each LoRA, coordinates of a pool, an autoencoder, and a LoRA per support set."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch

from freeshot import LoraEntry, Slot
from freeshot.engine import adapter_of, factors_of
from freeshot_baselines.icm_lora.autoencoder import bound, divergence, fresh
from freeshot_baselines.icm_lora.lora_space import canonical, lora_space
from freeshot_baselines.icm_lora.method import GeneratingLearner, IcmLora

if TYPE_CHECKING:
    from tests.conftest import Toy
    from torch import Tensor

Q, V = Slot("blocks.0.attn.qkv", 0, 6), Slot("blocks.0.attn.qkv", 12, 18)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


def entry(seed: int, rank: int = 2, slots: tuple[Slot, ...] = (Q, V)) -> LoraEntry:
    factors = {s: (normal(rank, 5, seed=seed), normal(6, rank, seed=seed + 50)) for s in slots}
    return LoraEntry(f"lora-{seed}", rank, factors, normal(2, 5), normal(2), ("a", "b"), (0, 1))


# --- one form -----------------------------------------------------------------------------------


def test_the_form_keeps_the_product_and_is_the_same_for_all_its_factors() -> None:
    a, b, turn = normal(2, 5), normal(6, 2, seed=1), normal(2, 2, seed=2)
    plain, turned = canonical(a, b, 2), canonical(torch.linalg.inv(turn) @ a, b @ turn, 2)
    assert torch.allclose(plain[1] @ plain[0], b @ a, atol=1e-12)
    assert all(torch.allclose(p, t, atol=1e-10) for p, t in zip(plain, turned, strict=True))


def test_the_form_is_that_of_the_svd_with_signs_fixed() -> None:
    a, b = canonical(normal(2, 5), normal(6, 2, seed=1), 3)
    assert (a.shape, b.shape) == ((3, 5), (6, 3))
    lengths = a.square().sum(1)
    assert lengths[0] > lengths[1] > lengths[2] == 0
    assert torch.allclose(lengths, b.square().sum(0), atol=1e-12)
    assert float(a[0] @ a[1]) == pytest.approx(0, abs=1e-12)
    assert all(float(row[row.abs().argmax()]) > 0 for row in a[:2])


def test_coordinates_lead_back_to_the_loras() -> None:
    entries = [entry(0), entry(1, rank=3), entry(2, slots=(Q,)), entry(3)]
    space = lora_space(entries)
    assert space.coordinates.shape == (4, 3)
    assert float(space.coordinates.square().mean()) == pytest.approx(1)
    assert torch.allclose(space.axes @ space.axes.mT, torch.eye(3, dtype=torch.float64), atol=1e-10)
    for original, coordinates in zip(entries, space.coordinates, strict=True):
        actual = space.lora(coordinates)
        for slot in (Q, V):
            a, b = actual[slot]
            expected = (
                original.factors[slot][1] @ original.factors[slot][0] if slot in original.factors else torch.zeros(6, 5)
            )
            assert torch.allclose(b @ a, expected.float(), atol=1e-4)


def test_a_pool_of_equal_loras_has_no_coordinates() -> None:
    space = lora_space([entry(0), entry(0)])
    a, b = space.lora(space.coordinates[0])[Q]
    assert torch.allclose(b @ a, (entry(0).factors[Q][1] @ entry(0).factors[Q][0]).float(), atol=1e-5)


# --- the autoencoder ----------------------------------------------------------------------------


def test_the_divergence_is_that_from_the_standard_normal() -> None:
    mean, log_variance = normal(3, 2), normal(3, 2, seed=1)
    for n in range(3):
        slow = 0.0
        for mu, log_var in zip(mean[n].tolist(), log_variance[n].tolist(), strict=True):
            slow += -math.log(math.exp(log_var / 2)) + (math.exp(log_var) + mu * mu) / 2 - 0.5
        assert float(divergence(mean, log_variance)[n]) == pytest.approx(slow, abs=1e-12)


def test_the_bound_is_error_plus_weighted_divergence() -> None:
    network = fresh(4, 3, 2, 8, rng()).double()
    loras, conditions = normal(5, 4), normal(5, 3, seed=1)
    actual = bound(network, loras, conditions, 0.3, rng(7))
    noise = torch.randn(5, 2, generator=rng(7), dtype=torch.float64)
    mean, log_variance = network.encode(loras, conditions)
    again = network.decode(mean + log_variance.exp().sqrt() * noise, conditions)
    expected = (again - loras).square().sum() / 20 + 0.3 * divergence(mean, log_variance).sum() / 5
    assert float(actual.detach()) == pytest.approx(float(expected.detach()), abs=1e-12)


def test_weights_come_from_the_stream_alone() -> None:
    actual = []
    for state in (1, 2):
        torch.manual_seed(state)
        actual.append(fresh(4, 3, 2, 8, rng()).state_dict())
    assert all(torch.equal(weight, actual[1][name]) for name, weight in actual[0].items())


def test_a_task_vector_is_decoded_to_its_lora() -> None:
    loras = torch.tensor([[1.0, 1.0, -1.0], [-1.0, 1.0, 1.0]])
    vectors = torch.tensor([[2.0, 0.0, 0.0, 1.0], [0.0, 2.0, 0.0, 1.0]])
    features = [vector + 0.3 * torch.randn(20, 4, generator=rng(n)) for n, vector in enumerate(vectors)]
    network = fresh(3, 4, 4, 16, rng())
    IcmLora(iterations=300, lr=1e-2).train(network, loras, features, 5, rng(1), range(300))
    with torch.no_grad():
        actual = network.decode(torch.zeros(2, 4), vectors)
    assert float((actual - loras).abs().max()) < 0.4


def test_a_condition_is_clipped_at_the_limit() -> None:
    """Features within the limit are unchanged, and those beyond it are set to it."""
    near, far, limit = (torch.tensor([[0.5, value, -1.0]]) for value in (1.0, 90.0, 3.0))
    free, clipped = fresh(4, 3, 2, 8, rng()), fresh(4, 3, 2, 8, rng(), reach=3.0)
    latent = torch.zeros(1, 2)
    assert torch.equal(clipped.decode(latent, near), free.decode(latent, near))
    assert torch.equal(clipped.decode(latent, far), free.decode(latent, limit))
    assert not torch.equal(free.decode(latent, far), free.decode(latent, limit))


# --- a LoRA per support set ---------------------------------------------------------------------


def test_each_support_set_gets_a_lora_of_its_own(toy: Toy) -> None:
    bench = toy.bench(IcmLora())
    space = lora_space(bench.pool().entries)
    network = fresh(space.coordinates.shape[1], 48, 4, 8, rng())
    learner = GeneratingLearner(bench.frozen(), network, space, bench.adapted)
    assert learner.tuning_free
    first, second = (learner.adapter(torch.rand(2, 3, 16, 16, generator=rng(n))) for n in (1, 2))
    assert set(factors_of(first)) == set(bench.pool().entries[0].factors)
    assert any(not torch.equal(tensor, second.tensors[name]) for name, tensor in first.tensors.items())
    assert set(adapter_of(space.lora(space.coordinates[0])).tensors) == set(first.tensors)


def test_icm_lora_is_data_free_and_tuning_free(toy: Toy) -> None:
    options = ("inversion=gaussian-noise", "iterations=3", "per_class=5")
    record = toy.record("icm-lora", options=options)
    assert (record.status, record.tags.data_free, record.tags.tuning_free) == ("ok", "strict", True)
    assert "autoencoder training" in [stage.stage for stage in record.stages]
