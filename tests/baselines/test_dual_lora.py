"""Merging without interference: later LoRAs do not act on the inputs of earlier ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from freeshot.contracts.pool import LoraEntry, Slot
from freeshot.engine import factors_of
from freeshot_baselines.composition.dual_lora import DualLora, without_earlier_inputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conftest import Toy
    from torch import Tensor

Q = Slot("blocks.0.attn.qkv", 0, 6)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


def entry(seed: int, rank: int = 2) -> LoraEntry:
    draws = rng(seed)
    a, b = (torch.randn(*shape, generator=draws, dtype=torch.float64) for shape in ((rank, 7), (6, rank)))
    return LoraEntry(f"lora-{seed}", rank, {Q: (a, b)}, b, a[:, 0], ("a", "b"), (0, 1))


ENTRIES = tuple(entry(seed) for seed in range(3))
UPDATES = torch.stack([e.factors[Q][1] @ e.factors[Q][0] for e in ENTRIES])


def products(entries: Sequence[LoraEntry], protected: int = 0) -> Tensor:
    """Return what each LoRA still adds [l, o, i]."""
    return torch.stack([b @ a for a, b in without_earlier_inputs([e.factors[Q] for e in entries], protected)])


def obvious(updates: Tensor, order: list[int]) -> np.ndarray[Any, Any]:
    """Average updates, each seen only by inputs orthogonal to all rows of those before it, by least squares."""
    total = np.zeros((6, 7))
    for index, number in enumerate(order):
        rows = np.concatenate([np.zeros((1, 7)), *(updates[n].numpy() for n in order[:index])])
        outside = np.eye(7) - np.linalg.pinv(rows, rcond=1e-9) @ rows
        total += updates[number].numpy() @ outside
    return total / len(order)


def added(adapter: Any) -> np.ndarray[Any, Any]:
    a, b = factors_of(adapter)[Q]
    product: np.ndarray[Any, Any] = (b @ a).numpy()
    return product


def test_each_update_is_projected_onto_the_complement_of_the_earlier_ones() -> None:
    assert added(DualLora().compose(ENTRIES, rng())) == pytest.approx(obvious(UPDATES, [0, 1, 2]), abs=1e-10)
    turned = (ENTRIES[2], ENTRIES[0], ENTRIES[1])
    assert added(DualLora().compose(turned, rng())) == pytest.approx(obvious(UPDATES, [2, 0, 1]), abs=1e-10)


def test_later_loras_do_not_act_on_the_inputs_of_earlier_ones() -> None:
    kept = products(ENTRIES)
    for earlier in range(3):
        inputs = ENTRIES[earlier].factors[Q][0].mT  # [i, r]
        for later in range(earlier + 1, 3):
            assert (kept[later] @ inputs).abs().max() < 1e-10
    assert torch.allclose(kept[0], UPDATES[0], rtol=0, atol=1e-12)


def test_outputs_can_be_projected_instead() -> None:
    actual = added(DualLora(side="output").compose(ENTRIES, rng()))
    turned = np.zeros((6, 7))
    for index in range(3):
        columns = np.concatenate([np.zeros((6, 1)), *(UPDATES[n].numpy() for n in range(index))], 1)
        turned += (np.eye(6) - columns @ np.linalg.pinv(columns, rcond=1e-9)) @ UPDATES[index].numpy()
    assert actual == pytest.approx(turned / 3, abs=1e-10)


def test_only_the_strongest_directions_can_be_protected() -> None:
    kept = products(ENTRIES, 1)
    strongest = torch.linalg.svd(UPDATES[0]).Vh[0]
    weakest = torch.linalg.svd(UPDATES[0]).Vh[1]
    assert (kept[1] @ strongest).abs().max() < 1e-10
    assert torch.allclose(kept[1] @ weakest, UPDATES[1] @ weakest)


def test_a_full_layer_leaves_nothing_to_later_loras() -> None:
    kept = products([entry(seed) for seed in range(6)])
    assert kept[2].abs().max() > 1e-3
    assert kept[4:].abs().max() < 1e-9


def test_orders_are_averaged() -> None:
    draws = rng(3)
    orders = [torch.randperm(3, generator=draws).tolist() for _ in range(4)]
    expected = np.mean([obvious(UPDATES, order) for order in orders], 0)
    assert added(DualLora(orders=4).compose(ENTRIES, rng(3))) == pytest.approx(expected, abs=1e-10)


def test_orthogonal_loras_are_averaged_unchanged() -> None:
    whole = torch.eye(7, dtype=torch.float64)[:6].reshape(3, 2, 7)
    for (kept, _), rows in zip(without_earlier_inputs([(rows, normal(6, 2)) for rows in whole]), whole, strict=True):
        assert torch.allclose(kept, rows)


def test_dual_lora_is_data_free_and_tuning_free(toy: Toy) -> None:
    record = toy.record("dual-lora", options=("orders=2",))
    assert (record.status, record.tags.data_free, record.tags.tuning_free) == ("ok", "strict", True)
