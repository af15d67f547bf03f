"""The estimate counts the images that the stages will process, times a measured duration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from freeshot.engine.inversion.teacher import BankTeacher
from freeshot.engine.lora.meta_model import SharedLora
from freeshot.engine.metering import pace
from freeshot.pipeline.context import RunContext
from freeshot.pipeline.workbench import Bench
from freeshot.workflows import recycle_cost
from freeshot.workflows.recycle_cost import CostMeter

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Toy

    from freeshot.pipeline.resolve import PlannedCell

OPTIONS = ("inversion.iterations=4", "learner.iterations=6", "per_class=5")


@pytest.fixture
def meter(toy: Toy) -> CostMeter:
    """Return a meter on the toy pool."""
    context = RunContext(toy.catalogue, toy.cache, toy.folder / "data", torch.device("cpu"))
    return CostMeter(context, context.pool("toy", context.backbone(planned(toy).spec.backbone)))


def planned(toy: Toy, *options: str, method: str = "lora-recycle") -> PlannedCell:
    (cell,) = toy.plan(method, options=options).cells
    return cell


def counted(monkeypatch: pytest.MonkeyPatch, cls: type, name: str) -> list[int]:
    """Count the images that a method gets with gradients on."""
    plain: Callable[..., Any] = getattr(cls, name)
    counts: list[int] = []

    def counting(self: Any, images: torch.Tensor, *rest: Any) -> Any:
        if torch.is_grad_enabled():
            counts.append(len(images))
        return plain(self, images, *rest)

    monkeypatch.setattr(cls, name, counting)
    return counts


@pytest.mark.parametrize("strategy", ["cls-attention", "none"])
def test_the_counted_images_are_the_processed_images(
    toy: Toy, meter: CostMeter, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    cell = planned(toy, *OPTIONS, f"strategy={strategy}", "lora_share=0.0")
    monkeypatch.setattr(recycle_cost, "seconds_per_image", lambda *_: 1.0)
    cost = meter.estimate(cell)
    inverted, learned = (counted(monkeypatch, BankTeacher, "logits"), counted(monkeypatch, SharedLora, "embed"))
    method = meter.context.component(cell.spec.method)
    method.prepare(Bench(meter.context, cell, method))
    assert cost is not None
    assert cost.stages == {"inversion": sum(inverted), "meta-learning": sum(learned)}
    assert cost.seconds == sum(inverted) + sum(learned)
    again = meter.estimate(cell)
    assert again is not None
    assert (again.cached, again.stages["inversion"]) == (1.0, 0.0)


def test_a_pass_is_measured_once_for_several_presets(
    toy: Toy, meter: CostMeter, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []

    def measured(*arguments: object) -> float:
        calls.append(arguments)
        return 1.0

    monkeypatch.setattr(recycle_cost, "seconds_per_image", measured)
    meter.estimate(planned(toy, *OPTIONS))
    meter.estimate(planned(toy, *OPTIONS, "inversion.iterations=8"))
    assert len(calls) == 2  # one of the inversion, one of meta-learning


def test_a_measured_cost_is_near_the_actual_cost(toy: Toy, meter: CostMeter) -> None:
    cell = planned(toy, "inversion.iterations=30", "learner.iterations=1", "per_class=8")
    cost = meter.estimate(cell)
    method = meter.context.component(cell.spec.method)
    bench = Bench(meter.context, cell, method)
    method.prepare(bench)
    assert cost is not None
    assert 0.05 < cost.stages["inversion"] / bench.stages[0].seconds < 20  # other processes disturb either


@pytest.mark.parametrize("method", ["free", "lora-average", "dro"])
def test_steps_that_cannot_be_counted_have_no_estimate(toy: Toy, meter: CostMeter, method: str) -> None:
    assert meter.estimate(planned(toy, method=method)) is None


@pytest.mark.parametrize(("enough", "sizes"), [(0.0, [1, 1, 1, 1]), (1e9, [1, 1, 2, 4, 8, 16, 32, 64, 64, 64])])
def test_a_pass_grows_until_it_is_long_enough(monkeypatch: pytest.MonkeyPatch, enough: float, sizes: list[int]) -> None:
    monkeypatch.setattr(pace, "ENOUGH", enough)
    shown: list[int] = []

    def loss(images: torch.Tensor) -> torch.Tensor:
        assert images.shape[1:] == (3, 8, 8)
        shown.append(len(images))
        return images.sum()

    assert pace.seconds_per_image(loss, 8, torch.device("cpu")) > 0
    assert shown == sizes
