"""What a run will cost is told before it starts, from like records, or counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from freeshot.engine.metering.throughput import operations_per_second
from freeshot.workflows.estimate_cost import Ahead, look_ahead

if TYPE_CHECKING:
    from typing import Any

    from tests.conftest import Toy

    from freeshot.engine import Backbone

SMALL = ("inversion.iterations=3", "learner.iterations=3", "per_class=5")


def ahead(toy: Toy, *methods: str, **asked: Any) -> Ahead:
    return look_ahead(toy.plan(*methods, **asked), toy.request(*methods, **asked), toy.catalogue)


def test_the_speed_is_that_of_the_machine(backbone: Backbone) -> None:
    assert 1e6 < operations_per_second(backbone, 0.05) < 1e16


def test_of_a_method_without_a_like_record_nothing_is_known(toy: Toy) -> None:
    found = ahead(toy, "frozen-prototype")
    assert (found.unknown, dict(found.stages)) == (1, {})


def test_like_records_tell_what_cells_will_cost(toy: Toy) -> None:
    record = toy.record("frozen-prototype")
    found = ahead(toy, "frozen-prototype", rerun=True)
    assert found.unknown == 0
    assert found.flops == sum(stage.flops or 0 for stage in record.stages) > 0
    assert found.seconds == pytest.approx(found.flops / found.rate)


def test_records_of_another_network_tell_nothing(toy: Toy) -> None:
    toy.record("frozen-prototype")
    other = "timm:model=vit_tiny_patch16_224,weights=random,side=32,depth=2,width=24,heads=2"
    assert ahead(toy, "frozen-prototype", rerun=True, backbone=other).unknown == 1


@pytest.mark.parametrize(("method", "by_episode"), [("full-finetuning", True), ("linear-probe", False)])
def test_a_row_costs_by_the_episode_unless_it_embeds_images_once(toy: Toy, method: str, by_episode: bool) -> None:
    toy.record(method)
    whole, half = (ahead(toy, method, rerun=True, limit=limit).stages["evaluation"] for limit in (None, 10))
    assert whole[0].flops == pytest.approx((2 if by_episode else 1) * half[0].flops)


def test_what_inverts_and_learns_is_counted_close_to_what_it_then_takes(toy: Toy) -> None:
    counted = ahead(toy, "lora-recycle", options=SMALL)
    record = toy.record("lora-recycle", options=SMALL)
    measured = {stage.stage: stage.flops for stage in record.stages}
    for stage in ("inversion", "meta-learning", "evaluation"):
        (work,) = counted.stages[stage]
        assert measured[stage] is not None
        assert work.flops == pytest.approx(measured[stage], rel=0.7), stage


def test_what_lies_in_the_cache_is_not_to_do(toy: Toy) -> None:
    before = ahead(toy, "lora-recycle", options=SMALL)
    toy.record("lora-recycle", options=SMALL)
    after = ahead(toy, "lora-recycle", options=(*SMALL, "learner.lr=0.5"))
    (work,) = after.stages["inversion"]
    assert (work.there, work.left) == (work.parts, 0)
    assert (before.stages["inversion"][0].there, after.disk < before.disk) == (0, True)


def test_cells_that_share_an_inversion_pay_for_it_once(toy: Toy) -> None:
    found = ahead(toy, "lora-recycle", options=SMALL, seeds=(0, 1), track="toy/*")
    tracks = len(found.stages["evaluation"]) // 2
    assert len(found.stages["inversion"]) == 2  # one a seed
    assert len(found.stages["meta-learning"]) == 2 * tracks
