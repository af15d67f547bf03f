"""Composition of weights: each rule equals its equation, written out slowly in float64."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from freeshot.basics.errors import OptionError
from freeshot.contracts.pool import LoraEntry, Slot
from freeshot.engine import factors_of, mean_as_lora
from freeshot.engine.lora.meta_model import sum_of
from freeshot_baselines.composition.averages import LoraAverage, LoraFair, correction
from freeshot_baselines.composition.deltas import mean_factors, stacked_deltas, truncated
from freeshot_baselines.composition.merging import Dare, Ties
from freeshot_baselines.controls import RandomLora

if TYPE_CHECKING:
    from tests.conftest import Toy
    from torch import Tensor

    from freeshot import Adapter

Q, V = Slot("blocks.0.attn.qkv", 0, 6), Slot("blocks.0.attn.qkv", 12, 18)
METHODS = ("lora-average", "lora-fair", "ties", "dare", "random-lora")


def entry(seed: int, rank: int = 2, slots: tuple[Slot, ...] = (Q, V)) -> LoraEntry:
    rng = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    factors = {slot: (normal(rank, 5), normal(6, rank)) for slot in slots}
    return LoraEntry(f"lora-{seed}", rank, factors, normal(2, 5), normal(2), ("a", "b"), (0, 1))


ENTRIES = tuple(entry(seed) for seed in range(4))


def added(adapter: Adapter, slot: Slot = Q) -> np.ndarray[Any, Any]:
    a, b = factors_of(adapter)[slot]
    product: np.ndarray[Any, Any] = (b @ a).numpy()
    return product


def products(slot: Slot = Q) -> list[np.ndarray[Any, Any]]:
    return [e.factors[slot][1].numpy() @ e.factors[slot][0].numpy() for e in ENTRIES]


def test_the_average_adds_the_mean_of_the_products() -> None:
    for slot in (Q, V):
        assert added(LoraAverage().compose(ENTRIES), slot) == pytest.approx(np.mean(products(slot), 0), abs=1e-12)


def test_the_average_of_factors_has_cross_terms() -> None:
    a = np.mean([e.factors[Q][0].numpy() for e in ENTRIES], 0)
    b = np.mean([e.factors[Q][1].numpy() for e in ENTRIES], 0)
    assert added(LoraAverage(space="factors").compose(ENTRIES)) == pytest.approx(b @ a, abs=1e-12)


def test_a_rank_for_factors_is_refused() -> None:
    with pytest.raises(OptionError, match="which space=factors does not form"):
        LoraAverage(space="factors", rank=2)


def test_the_mean_as_one_lora_is_exact_for_unequal_loras() -> None:
    mixed = (entry(0, rank=1), entry(1, rank=3), entry(2, slots=(Q,)))
    mean = mean_as_lora(mixed)
    for slot in (Q, V):
        assert added(mean, slot) == pytest.approx(stacked_deltas(mixed, slot).mean(0).numpy(), abs=1e-12)


def test_a_sum_of_adapters_adds_both_products() -> None:
    first, second = LoraAverage().compose(ENTRIES), mean_as_lora((entry(7, slots=(Q,)),))
    total = sum_of(first, second)
    assert added(total, Q) == pytest.approx(added(first, Q) + added(second, Q), abs=1e-12)
    assert added(total, V) == pytest.approx(added(first, V), abs=1e-12)


def test_the_average_of_one_lora_is_that_lora() -> None:
    assert added(LoraAverage().compose(ENTRIES[:1])) == pytest.approx(products()[0], abs=1e-12)


def test_loras_of_unequal_rank_and_slots_are_averaged() -> None:
    mixed = (entry(0, rank=1), entry(1, rank=3), entry(2, slots=(Q,)))
    a, b = mixed[0].factors[V], mixed[1].factors[V]
    expected = (a[1] @ a[0] + b[1] @ b[0]) / 3
    assert added(LoraAverage().compose(mixed), V) == pytest.approx(expected.numpy(), abs=1e-12)
    assert stacked_deltas(mixed, V)[2].abs().max() == 0


def test_a_rank_is_cut_to_the_nearest_matrix() -> None:
    delta = torch.from_numpy(np.mean(products(), 0))
    u, s, v = np.linalg.svd(delta.numpy())
    a, b = truncated(delta, 2)
    assert a.shape == (2, 5)
    assert (b @ a).numpy() == pytest.approx(u[:, :2] * s[:2] @ v[:2], abs=1e-12)


def test_fair_corrects_b_by_ridge_regression() -> None:
    a, b = (x.numpy() for x in mean_factors(ENTRIES, Q))
    ridge = 0.5 * np.trace(a @ a.T) / 2
    expected = (np.mean(products(), 0) - b @ a) @ a.T @ np.linalg.inv(a @ a.T + ridge * np.eye(2))
    assert added(LoraFair(penalty=0.5).compose(ENTRIES)) == pytest.approx((b + expected) @ a, abs=1e-12)


def test_no_other_correction_of_fair_is_better() -> None:
    a, b = mean_factors(ENTRIES, Q)
    wanted = stacked_deltas(ENTRIES, Q).mean(0)
    actual = correction(a, b, wanted, 0.3)
    weight = 0.3 * (a @ a.mT).diagonal().mean()

    def objective(change: Tensor) -> float:
        return float(((b + change) @ a - wanted).square().sum() + weight * change.square().sum())

    rng = torch.Generator().manual_seed(0)
    others = [actual + 0.01 * torch.randn(actual.shape, generator=rng, dtype=actual.dtype) for _ in range(20)]
    assert all(objective(actual) < objective(other) for other in others)


def test_fair_comes_nearer_to_the_mean_than_averaged_factors() -> None:
    target = np.mean(products(), 0)
    apart, fair = LoraAverage(space="factors").compose(ENTRIES), LoraFair().compose(ENTRIES)
    assert np.linalg.norm(added(fair) - target) < np.linalg.norm(added(apart) - target)


def obvious_ties(density: float) -> np.ndarray[Any, Any]:
    merged = np.zeros((6, 5))
    trimmed = []
    for product in products():
        smallest = np.sort(np.abs(product).ravel())[-int(density * product.size)]
        trimmed.append(np.where(np.abs(product) >= smallest, product, 0))
    for index in np.ndindex(6, 5):
        values = [t[index] for t in trimmed]
        sign = 1 if sum(values) >= 0 else -1
        agreeing = [value for value in values if value * sign > 0]
        merged[index] = np.mean(agreeing) if agreeing else 0
    return merged


@pytest.mark.parametrize("density", [0.2, 0.5])
def test_ties_trims_elects_and_averages(density: float) -> None:
    actual = Ties(density=density).compose(ENTRIES, torch.Generator())
    assert added(actual) == pytest.approx(obvious_ties(density), abs=1e-12)


def test_dare_keeps_the_mean_on_average() -> None:
    rng = torch.Generator().manual_seed(0)
    merged = np.mean([added(Dare(density=0.5).compose(ENTRIES, rng)) for _ in range(400)], 0)
    assert merged == pytest.approx(np.mean(products(), 0), abs=0.25)


def test_dare_is_the_same_for_the_same_seed_and_leaves_the_global_stream_alone() -> None:
    state = torch.random.get_rng_state()
    first, second = (added(Dare().compose(ENTRIES, torch.Generator().manual_seed(1))) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, added(Dare().compose(ENTRIES, torch.Generator().manual_seed(2))))
    assert torch.equal(state, torch.random.get_rng_state())


def test_merged_matrices_are_scaled() -> None:
    plain, doubled = (Ties(scale=scale).compose(ENTRIES, torch.Generator()) for scale in (1.0, 2.0))
    assert added(doubled) == pytest.approx(2 * added(plain), abs=1e-12)


def drawn(seed: int) -> Adapter:
    """Return the adapter that `random-lora` draws."""

    def rng(*names: object) -> torch.Generator:
        return torch.Generator().manual_seed(seed)

    bench: Any = SimpleNamespace(
        pool=lambda: SimpleNamespace(entries=ENTRIES), rng=rng, adapted=lambda adapter: adapter
    )
    adapter: Any = RandomLora().prepare(bench)
    return adapter  # type: ignore[no-any-return]


def test_a_random_lora_is_one_of_the_pool_as_it_is_and_the_same_for_the_same_seed() -> None:
    for seed in range(5):
        name = drawn(seed).facts["lora"]
        (chosen,) = (e for e in ENTRIES if e.name == name)
        assert all(
            torch.equal(actual, given)
            for slot in (Q, V)
            for actual, given in zip(factors_of(drawn(seed))[slot], chosen.factors[slot], strict=True)
        )
        assert drawn(seed).facts["lora"] == name


def test_random_loras_are_drawn_from_the_whole_pool_and_evenly() -> None:
    names = [drawn(seed).facts["lora"] for seed in range(400)]
    assert [names.count(e.name) for e in ENTRIES] == pytest.approx([100] * 4, abs=35)


@pytest.mark.parametrize("method", METHODS)
def test_a_composition_is_strictly_data_free_and_tuning_free(toy: Toy, method: str) -> None:
    record = toy.record(method)
    assert (record.status, record.tags.data_free, record.tags.tuning_free) == ("ok", "strict", True)
    assert "pool" in record.hashes
