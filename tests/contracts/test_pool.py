"""A pool is a sequence of its LoRAs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from freeshot.basics.errors import UnknownNameError

if TYPE_CHECKING:
    from freeshot import LoraPool

NAMES = ["lora-000", "lora-001", "lora-002", "lora-003"]


def test_a_pool_is_iterated_over_its_loras(pool: LoraPool) -> None:
    assert [lora.name for lora in pool] == NAMES
    assert len(pool) == 4
    assert list(pool) == list(pool.entries)


def test_a_lora_is_found_by_number_and_by_name(pool: LoraPool) -> None:
    for number, name in enumerate(NAMES):
        assert pool[number] is pool[name] is pool.entries[number]
    assert pool[-1] is pool["lora-003"]


def test_a_pool_contains_its_loras_and_their_names(pool: LoraPool) -> None:
    assert pool[2] in pool
    assert "lora-002" in pool
    assert "lora-004" not in pool
    assert 2 not in pool


def test_a_number_past_the_end_is_an_index_error(pool: LoraPool) -> None:
    with pytest.raises(IndexError):
        pool[4]


def test_an_unknown_name_raises_with_the_nearest_one(pool: LoraPool) -> None:
    with pytest.raises(UnknownNameError) as caught:
        pool["lora-01"]
    assert str(caught.value) == (
        "No LoRA of the pool 'toy' is called 'lora-01'. Did you mean 'lora-001'? "
        "Known: lora-000, lora-001, lora-002, lora-003."
    )
