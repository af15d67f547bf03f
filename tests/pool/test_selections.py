"""Variants of a pool with some of its LoRAs, or with all of them at a lower rank."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from freeshot.basics.errors import PoolError
from freeshot.pool.variants import Variant, varied

if TYPE_CHECKING:
    from freeshot.contracts.pool import LoraPool


def names(pool: LoraPool, kind: str, number: int) -> list[str]:
    return [entry.name for entry in varied(pool, Variant(kind, number))]


def with_facts(pool: LoraPool, accuracies: list[float], classes: list[tuple[int, ...]]) -> LoraPool:
    entries = (
        replace(entry, facts={"held_out_accuracy": accuracy}, class_ids=ids)
        for entry, accuracy, ids in zip(pool, accuracies, classes, strict=True)
    )
    return replace(pool, entries=tuple(entries))


@pytest.fixture
def four(pool: LoraPool) -> LoraPool:
    return with_facts(pool, [0.9, 0.7, 0.9, 0.8], [(0, 1), (0, 1), (1, 2), (3, 4)])


@pytest.mark.parametrize(
    ("kind", "number", "chosen"),
    [
        ("first", 2, [0, 1]),
        ("best", 1, [0]),
        ("best", 2, [0, 2]),
        ("worst", 2, [1, 3]),
        ("apart", 2, [0, 3]),
        ("apart", 3, [0, 2, 3]),
        ("alike", 2, [0, 1]),
        ("alike", 3, [0, 1, 2]),
        ("alike", 4, [0, 1, 2, 3]),
    ],
)
def test_the_named_loras_are_kept_in_their_order(four: LoraPool, kind: str, number: int, chosen: list[int]) -> None:
    assert names(four, kind, number) == [f"lora-{index:03d}" for index in chosen]


def test_a_lower_rank_is_the_best_approximation_of_each_update(pool: LoraPool) -> None:
    lowered = varied(pool, Variant("rank", 1))
    for old, new in zip(pool, lowered, strict=True):
        assert (old.rank, new.rank) == (2, 1)
        for slot, (a, b) in old.factors.items():
            delta = (b @ a).double()
            rest = delta - (new.factors[slot][1] @ new.factors[slot][0]).double()
            singular = torch.linalg.svdvals(delta)
            assert float(rest.norm()) == pytest.approx(float(singular[1:].norm()), rel=1e-4, abs=1e-6)


def test_a_rank_that_is_not_lower_changes_nothing(pool: LoraPool) -> None:
    assert all(old is new for old, new in zip(pool, varied(pool, Variant("rank", 2)), strict=True))


def test_each_variant_is_a_pool_of_its_own(pool: LoraPool) -> None:
    variants = [varied(pool, Variant("first", 1)), varied(pool, Variant("first", 2)), varied(pool, Variant("rank", 1))]
    assert [variant.name for variant in variants] == ["toy+first1", "toy+first2", "toy+rank1"]
    assert len({pool.sha256, *(variant.sha256 for variant in variants)}) == 4


@pytest.mark.parametrize(
    ("kind", "number", "message"),
    [
        ("first", 5, r"The pool 'toy' has 4 LoRAs, so 5 of them cannot be chosen\. Choose 1 to 4\."),
        ("apart", 0, r"so 0 of them cannot be chosen"),
        ("rank", 0, r"A LoRA of rank 0 is empty\. Use 'toy\+rank1' or a higher rank\."),
    ],
)
def test_an_impossible_number_is_an_error(pool: LoraPool, kind: str, number: int, message: str) -> None:
    with pytest.raises(PoolError, match=message):
        varied(pool, Variant(kind, number))


def test_loras_without_accuracy_cannot_be_ordered_by_it(pool: LoraPool) -> None:
    unmeasured = replace(pool, entries=tuple(replace(entry, facts={}) for entry in pool))
    with pytest.raises(PoolError, match=r"LoRAs without held-out accuracy.* Use 'toy\+first2'\."):
        varied(unmeasured, Variant("best", 2))
