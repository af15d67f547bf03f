"""The small pools in the repository are complete and agree with their plans."""

from __future__ import annotations

from pathlib import Path

import pytest

from freeshot.pool.store import open_pool
from freeshot_vision.paper.pools import POOL_FILES, SMALL_PLANS, built_pools

PLANS = {plan.name: plan for plan in SMALL_PLANS}
BUILT = dict(built_pools())


def test_a_pool_of_cifar_fs_is_included() -> None:
    assert "paper/cifar-fs-q8" in BUILT


def test_the_pools_stay_small() -> None:
    size = sum(file.stat().st_size for file in POOL_FILES.rglob("*") if file.is_file())
    assert size <= 40 * 2**20


@pytest.mark.parametrize("name", BUILT)
def test_a_pool_was_built_as_planned(name: str) -> None:
    pool, plan = open_pool(Path(BUILT[name])), PLANS[name]
    assert (pool.name, len(pool.entries)) == (name, plan.count)
    for entry in pool.entries:
        assert len(entry.classes) == 5
        assert {label.partition("/")[0] for label in entry.classes} <= set(plan.sources)
        assert {slot.module.rpartition(".")[2] for slot in entry.factors} == {"qkv"}
        accuracy = entry.facts["held_out_accuracy"]
        assert isinstance(accuracy, float)
        assert accuracy > 0.8, "far above the chance of one in five"
