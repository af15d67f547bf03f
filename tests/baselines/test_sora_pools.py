"""Gates on ranks: an L1 penalty done by its proximal step, and LoRAs of unequal rank in the pool."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from freeshot.contracts.pool import Slot, TuningRecipe
from freeshot.engine.lora.bank import LoraBank
from freeshot.engine.vit.backbone import Backbone
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins
from freeshot.pool.build import PoolRequest, build_pool
from freeshot.pool.train_loras import TuningTask, tune
from freeshot.testing.toy import PER_CLASS, ToyImages
from freeshot_baselines.sora.gates import GatedBank, gated_bank, soft_threshold

RECIPE = TuningRecipe(rank=4, steps=30, batch=6, lr=3e-2, penalty=("sora", 3.0))
Q, V = Slot("qkv", 0, 6), Slot("qkv", 12, 18)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gated(*gates: list[list[float]], penalty: float = 0.0) -> GatedBank:
    """Make a bank on q and v with these gates [l, r] of each."""
    tables = [torch.tensor(table, dtype=torch.float64) for table in gates]
    count, rank = tables[0].shape
    factors = {
        slot: (torch.randn(count, rank, 5, generator=rng(n)).double(), torch.randn(count, 6, rank).double())
        for n, slot in enumerate((Q, V))
    }
    return GatedBank(factors, dict(zip((Q, V), tables, strict=True)), penalty)


def test_the_proximal_step_is_that_of_the_penalty() -> None:
    """No number on a fine grid is better than that of the closed form, for any value."""
    grid = torch.linspace(-3, 3, 60001, dtype=torch.float64)
    for value in (-2.0, -0.4, 0.1, 0.31, 0.59, 1.5):
        best = grid[((grid - value).square() / 2 + 0.3 * grid.abs()).argmin()]
        actual = float(soft_threshold(torch.tensor(value, dtype=torch.float64), 0.3))
        assert actual == pytest.approx(float(best), abs=1e-4)


def test_gates_between_one_and_two_thresholds_are_not_closed() -> None:
    actual = soft_threshold(torch.tensor([0.29, 0.31, 0.59, -0.45]), 0.3)
    assert actual.tolist() == pytest.approx([0, 0.01, 0.29, -0.15], abs=1e-6)


def test_the_strongest_gate_of_a_slot_stays() -> None:
    bank = gated([[0.1, -0.2], [1.0, 0.1]], [[0.3, 0.1], [2.0, -3.0]], penalty=2.5)
    bank.after_step(0.1)
    assert bank.g[0].tolist() == [pytest.approx([0, -0.2]), pytest.approx([0.75, 0])]
    assert bank.g[1].tolist() == [pytest.approx([0.05, 0]), pytest.approx([1.75, -2.75])]


def test_a_gated_bank_adds_b_g_a() -> None:
    bank = gated([[0.5, 0.0, -2.0]], [[1.0, 3.0, 0.0]])
    inputs = torch.randn(2, 3, 5, generator=rng(5)).double()
    actual = bank.delta("qkv", inputs, 18)
    for index, slot in enumerate((Q, V)):
        product = bank.b[index][0] @ torch.diag(bank.g[index][0]) @ bank.a[index][0]
        assert torch.allclose(actual[..., slot.start : slot.stop], inputs @ product.mT)
    factors = bank.entry_factors(0)
    assert [tuple(a.shape) for a, _ in factors.values()] == [(2, 5), (2, 5)]
    plain = LoraBank({slot: (a[None], b[None]) for slot, (a, b) in factors.items()})
    assert torch.allclose(plain.delta("qkv", inputs, 18), actual)


def test_a_lora_has_the_rank_of_its_widest_slot() -> None:
    factors = gated([[0.5, 0.0, 0.0]], [[1.0, 3.0, 0.0]]).entry_factors(0)
    assert [tuple(b.shape) for _, b in factors.values()] == [(6, 2), (6, 2)]
    assert not factors[Q][1][:, 1].any()


def task(name: str, *kinds: int) -> TuningTask:
    images = ToyImages(kinds)
    held_out = torch.arange(len(images)) % PER_CLASS < 4
    return TuningTask(name, images.read(range(len(images))), torch.from_numpy(images.labels), held_out)


def test_a_gated_lora_tuned_among_others_equals_the_one_tuned_alone(backbone: Backbone) -> None:
    tasks = [task("a", 0, 1), task("b", 2, 3)]
    recipe = replace(RECIPE, clip=1.0, steps=5)
    together = tune(backbone, tasks, recipe, 2, penalize=gated_bank)
    for index in (0, 1):
        alone = tune(backbone, [tasks[index]], recipe, 2, penalize=gated_bank).bank
        ours = together.bank.entry_factors(index)
        for slot, (a, b) in alone.entry_factors(0).items():
            assert torch.allclose(ours[slot][1] @ ours[slot][0], b @ a, atol=1e-5)


def test_a_stronger_penalty_closes_more(backbone: Backbone) -> None:
    opened = []
    for weight in (0.01, 3.0):
        recipe = replace(RECIPE, penalty=("sora", weight))
        bank = tune(backbone, [task("a", 0, 1)], recipe, 2, penalize=gated_bank).bank
        assert isinstance(bank, GatedBank)
        opened.append(sum(int(g.count_nonzero()) for g in bank.g))
    assert opened[0] > opened[1] >= len(bank.slots)


def test_a_pool_of_gated_loras_has_unequal_ranks_and_opens(tmp_path: Path) -> None:
    host = load_plugins()
    request = PoolRequest(
        "sparse", ("toy-waves",), 3, "toy-vit", way=2, steps=30, batch=6, lr=3e-2, out=tmp_path / "sparse"
    )
    pool = build_pool(replace(request, penalty=("sora", 1.5)), Catalogue(host), host)
    ranks = [entry.rank for entry in pool.entries]
    assert all(1 <= rank <= 4 for rank in ranks)
    assert len(set(ranks)) > 1
    assert LoraBank.of(pool.entries, torch.zeros(1)).count == 3
