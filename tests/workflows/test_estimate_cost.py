"""The cost of a run is estimated from comparable records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from freeshot.workflows.estimate_cost import CostEstimate, estimate_cost

if TYPE_CHECKING:
    from typing import Any

    from tests.conftest import Toy

SMALL = ("inversion.iterations=3", "learner.iterations=3", "per_class=5")


def estimate(toy: Toy, *methods: str, **changes: Any) -> CostEstimate:
    return estimate_cost(toy.plan(*methods, **changes), toy.request(*methods, **changes), toy.catalogue)


def test_cells_without_comparable_record_are_counted(toy: Toy) -> None:
    cost = estimate(toy, "frozen-prototype")
    assert (cost.unknown, dict(cost.stages)) == (1, {})


def test_a_cell_takes_as_long_as_a_comparable_record(toy: Toy) -> None:
    record = toy.record("frozen-prototype")
    cost = estimate(toy, "frozen-prototype", rerun=True)
    assert cost.unknown == 0
    assert cost.devices == [record.provenance.device]
    assert cost.seconds == pytest.approx(sum(stage.seconds for stage in record.stages)) != 0


def test_records_of_another_backbone_are_not_comparable(toy: Toy) -> None:
    toy.record("frozen-prototype")
    other = "timm:model=vit_tiny_patch16_224,weights=random,side=32,depth=2,width=24,heads=2"
    assert estimate(toy, "frozen-prototype", rerun=True, backbone=other).unknown == 1


@pytest.mark.parametrize(("method", "by_episode"), [("full-finetuning", True), ("linear-probe", False)])
def test_the_cost_of_a_row_is_per_episode_unless_it_embeds_images_once(toy: Toy, method: str, by_episode: bool) -> None:
    toy.record(method)
    whole, half = (estimate(toy, method, rerun=True, limit=limit).stages["evaluation"] for limit in (None, 10))
    assert whole[0].seconds == pytest.approx((2 if by_episode else 1) * half[0].seconds)


def test_cached_inversions_take_no_time(toy: Toy) -> None:
    toy.record("lora-recycle", options=SMALL)
    cached = estimate(toy, "lora-recycle", options=SMALL, rerun=True)
    (work,) = cached.stages["inversion"]
    assert (work.cached, work.seconds_left) == (work.artifacts, 0)
    other_seed = estimate(toy, "lora-recycle", options=SMALL, seeds=(1,))
    (work,) = other_seed.stages["inversion"]
    assert (work.cached, work.seconds_left) == (0, work.seconds)
    assert cached.disk < other_seed.disk


def test_an_inversion_that_cells_share_counts_once(toy: Toy) -> None:
    toy.launch("lora-recycle", options=SMALL, track="toy/*")
    cost = estimate(toy, "lora-recycle", options=SMALL, seeds=(1, 2), track="toy/*")
    tracks = len(cost.stages["evaluation"]) // 2
    assert tracks > 1
    assert len(cost.stages["inversion"]) == 2  # one per seed
