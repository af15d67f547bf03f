"""Processes share the inversion of a pool LoRA by LoRA; a LoRA that another process inverts is skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from freeshot.pipeline.cell import invert_pool_of
from freeshot.pipeline.pool_inversion import STAGE, PoolInversion, inverts

if TYPE_CHECKING:
    import pytest
    from tests.conftest import Toy

    from freeshot.pipeline.context import RunContext
    from freeshot.pipeline.resolve import PlannedCell

OPTIONS = ("inversion.iterations=1", "learner.iterations=2", "per_class=4")


def planned(toy: Toy) -> tuple[RunContext, PlannedCell, list[dict[str, Any]]]:
    """Plan a cell that inverts its pool; return it with the recipe of each LoRA."""
    (cell,) = toy.plan("lora-recycle", options=OPTIONS).cells
    context = toy.request().context(toy.catalogue)
    pool = context.pool(cell.track.pool, context.backbone(cell.spec.backbone))
    inversion = PoolInversion.planned(context, cell, pool)
    return context, cell, [recipe for number in range(len(pool)) for recipe in inversion._recipes(number)]


def test_a_lora_that_another_process_inverts_is_skipped(toy: Toy) -> None:
    context, cell, (first, *others) = planned(toy)
    with context.artifacts.lock(STAGE, first):
        assert context.artifacts.is_locked(STAGE, first)
        invert_pool_of(context, cell)
    assert not context.artifacts.has(STAGE, first)
    assert all(context.artifacts.has(STAGE, recipe) for recipe in others)
    invert_pool_of(context, cell)
    assert context.artifacts.has(STAGE, first)


def test_a_cell_reuses_the_inverted_pool(toy: Toy) -> None:
    context, cell, _ = planned(toy)
    invert_pool_of(context, cell)
    assert not list(toy.results.rglob("*.json"))
    record = toy.record("lora-recycle", options=OPTIONS)
    assert [stage.cached for stage in record.stages[:2]] == [True, False]
    alone = toy.record("lora-recycle", options=OPTIONS, cache=toy.folder / "other", rerun=True)
    assert record.accuracies == alone.accuracies


def test_an_error_is_not_raised_before_the_cell_runs(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    context, cell, _ = planned(toy)
    monkeypatch.setattr(PoolInversion, "planned", fail)
    invert_pool_of(context, cell)


def test_only_cells_that_invert_their_pool_share_the_inversion(toy: Toy) -> None:
    cells = [toy.plan(method).cells[0] for method in ("lora-recycle", "lora-average", "frozen-prototype")]
    assert [inverts(cell) for cell in cells] == [True, False, False]
