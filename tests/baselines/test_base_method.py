"""Heads and test-time tuning start from the pre-trained network, or from the meta-LoRA of any other method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import torch

from freeshot import Choice, Learner, Method, Needs
from freeshot.basics.errors import OptionError, UndeclaredError
from freeshot.contracts.component import options_of
from freeshot.leaderboard.labels import configuration
from freeshot.pipeline.workbench import RestrictedWorkbench
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins
from freeshot_baselines.base_method import NO_BASE
from freeshot_baselines.composition.averages import LoraAverage
from freeshot_baselines.frozen_prototype import FrozenPrototype
from freeshot_baselines.heads.nearest_neighbours import Knn

if TYPE_CHECKING:
    from tests.conftest import Toy

    from freeshot import Workbench
    from freeshot.records.models import RunRecord, RunSpec

AVERAGE = Choice("method", "lora-average")
TUNED = ("lrs=0.003", "steps=1", "trials=2")
QUICK = {
    "caml": ("inversion=gaussian-noise", "iterations=2", "per_class=5", "depth=1", "label_width=16", "heads=4"),
    "icm-lora": ("inversion=gaussian-noise", "iterations=3", "per_class=5"),
    "bidf-mkd": ("per_class=5", "inversion.iterations=3", "inversion.directions=2", "learner.iterations=3"),
    "linear-probe": ("cs=1", "trials=2"),
    "register-prompt": ("registers=1", "steps=1"),
    **dict.fromkeys(("full-finetuning", "lora-finetuning", "pmf"), TUNED),
}


def methods_with_base() -> list[str]:
    """List the methods that have the option `base`."""
    catalogue = Catalogue(load_plugins())
    names = catalogue.names("method")
    return [name for name in names if "base" in options_of(catalogue.component("method", name))]


def spec_of(toy: Toy, method: str, *options: str) -> RunSpec:
    (cell,) = toy.plan(method, options=options).cells
    return cell.spec


def stages(record: RunRecord) -> dict[str, bool]:
    return {stage.stage: stage.cached for stage in record.stages}


def test_rows_that_adapt_at_test_time_take_a_base() -> None:
    heads, tunings = {"frozen-prototype", "knn", "rtd", "linear-probe", "caml"}, {"pmf", "register-prompt"}
    assert heads | tunings | {"full-finetuning", "lora-finetuning"} <= set(methods_with_base())


# --- the bench ----------------------------------------------------------------------------------


def test_a_bench_with_a_base_gives_the_features_of_that_method(toy: Toy) -> None:
    images = torch.rand(3, 3, 16, 16)
    bench = toy.bench(Knn()).with_base(AVERAGE)
    alone = LoraAverage().prepare(toy.bench(LoraAverage()))
    with torch.no_grad():
        expected = alone.embed(images)
        assert torch.equal(bench.frozen().embed(images), expected)
        assert torch.allclose(bench.backbone()(images), expected, atol=1e-6)
        assert not torch.allclose(toy.bench(Knn()).frozen().embed(images), expected, atol=1e-4)


def test_no_base_changes_nothing(toy: Toy) -> None:
    bench = toy.bench(Knn())
    assert bench.with_base(NO_BASE) is bench
    itself = toy.bench(FrozenPrototype())
    assert itself.with_base(NO_BASE) is itself


def test_a_base_does_not_pass_on_its_access_rights(toy: Toy) -> None:
    with pytest.raises(UndeclaredError, match=r"Method 'knn' requested the pool"):
        toy.bench(Knn()).with_base(AVERAGE).pool()


@pytest.mark.parametrize("base", ["icm-lora", "pmf", "linear-probe"])
def test_a_method_that_yields_no_adapter_cannot_be_a_base(toy: Toy, base: str) -> None:
    record = toy.record("knn", options=(f"base={base}", *(f"base.{option}" for option in QUICK[base])))
    assert record.status == "failed"
    assert f"Method '{base}' yields no adapter. Choose one that trains a LoRA." in record.reason


def test_a_method_that_skips_a_track_cannot_be_a_base_on_it(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LoraAverage, "skip", lambda *_: "It is tired.")
    with pytest.raises(OptionError, match=r"'lora-average' skips this track and cannot be the base of another\. It is"):
        toy.bench(Knn()).with_base(AVERAGE)


# --- cells --------------------------------------------------------------------------------------


def test_a_cell_without_a_base_keeps_its_identity(toy: Toy) -> None:
    spec, explicit = spec_of(toy, "knn"), spec_of(toy, "knn", "base=none")
    assert (spec.components, spec.cell) == ({}, explicit.cell)
    assert spec.method.options["base"] == {"name": "none", "options": {}}


def test_a_base_has_the_size_of_its_own_row(toy: Toy) -> None:
    spec, own = spec_of(toy, "knn", "base=lora-recycle"), spec_of(toy, "lora-recycle")
    assert spec.components["base"].options["per_class"] == own.method.options["per_class"]
    assert {name: spec.components[f"base.{name}"] for name in own.components} == own.components
    larger = spec_of(toy, "knn", "base=lora-recycle", "base.learner.lr=0.5")
    assert larger.components["base.learner"].options["lr"] == 0.5
    assert larger.components["base.inversion"] == spec.components["base.inversion"]
    assert larger.cell != spec.cell


def test_spellings_of_a_nested_value_of_the_base_are_one_cell(toy: Toy) -> None:
    values = ("0.01", "1e-2", "0.010")
    assert len({spec_of(toy, "knn", "base=lora-recycle", f"base.learner.lr={v}").cell for v in values}) == 1


def test_a_row_needs_what_its_base_needs(toy: Toy) -> None:
    free, real = (toy.record("rtd", options=(f"base={name}",)) for name in ("lora-recycle", "real-data"))
    plain = toy.record("rtd")
    assert (free.tags.data_free, real.tags.data_free, plain.tags.data_free) == ("strict", "real data", "strict")
    assert ("pool" in free.hashes, "pool" in plain.hashes) == (True, False)
    assert free.tags.tuning_free
    assert free.log_odds != plain.log_odds


def test_queries_of_the_base_are_on_record(toy: Toy) -> None:
    base = toy.record("bidf-mkd", options=QUICK["bidf-mkd"])
    row = toy.record("knn", options=("base=bidf-mkd", *(f"base.{option}" for option in QUICK["bidf-mkd"])))
    facts = [next(s.facts for s in record.stages if s.stage == "inversion") for record in (base, row)]
    assert facts[0]["queries"] == facts[1]["queries"] > 0
    assert row.tags.black_box


@dataclass(frozen=True)
class Querying(Method):
    """Query a service with three images, and leave the network as it is."""

    name = "asking"
    needs = frozenset({Needs.QUERIES})

    def prepare(self, bench: Workbench) -> Learner:
        """Query the first service."""
        bench.oracles()[0].logits(torch.zeros(3, 3, 16, 16))
        return bench.frozen()


def test_queries_of_the_base_to_a_service_are_counted(toy: Toy) -> None:
    toy.offer(methods=[Querying])
    record = toy.record("knn", options=("base=asking",))
    assert next(stage.facts for stage in record.stages if stage.stage == "queries") == {"queries": 3}


def test_a_base_reuses_what_its_own_row_left_in_the_cache(toy: Toy) -> None:
    toy.record("lora-recycle")
    actual = stages(toy.record("knn", options=("base=lora-recycle",)))
    assert (actual["inversion"], actual["meta-learning"]) == (True, True)


@pytest.mark.parametrize("name", methods_with_base())
def test_every_row_with_a_base_runs_on_an_average_and_differs_from_the_plain_row(toy: Toy, name: str) -> None:
    plain, row = (toy.record(name, options=(*QUICK.get(name, ()), *more)) for more in ((), ("base=lora-average",)))
    assert (plain.status, row.status) == ("ok", "ok"), (plain.reason, row.reason)
    assert plain.log_odds != row.log_odds
    for stage in ("choosing", "in-context training"):  # what was chosen or learned on another base is not reused
        assert not stages(row).get(stage, False)


@pytest.mark.parametrize(("name", "start"), [("lora-finetuning", "average"), ("pmf", "real-data")])
def test_a_start_together_with_a_base_is_refused(toy: Toy, name: str, start: str) -> None:
    with pytest.raises(OptionError, match=f"'start={start}' and 'base=lora-recycle' are mutually exclusive"):
        toy.plan(name, options=(f"start={start}", "base=lora-recycle"))


def test_a_base_is_a_setting_of_the_row(toy: Toy) -> None:
    assert "base" not in configuration(spec_of(toy, "knn")).values
    assert configuration(spec_of(toy, "knn", "base=lora-recycle")).values["base"] == '"lora-recycle"'


def test_a_bench_with_a_base_exposes_no_more_than_a_bench(toy: Toy) -> None:
    bench = RestrictedWorkbench(toy.bench(Knn())).with_base(AVERAGE)
    with pytest.raises(AttributeError, match="A workbench has no '_environment'"):
        bench._environment  # noqa: B018
    assert (bench.way, bench.shot) == (2, 1)


def test_settings_chosen_on_one_base_are_not_reused_on_another(toy: Toy) -> None:
    made: list[int] = []

    def make() -> dict[str, object]:
        made.append(1)
        return {"lr": 0.1}

    for name in ("lora-average", "random-lora", "lora-average", "frozen-prototype"):
        toy.bench(Knn()).with_base(Choice("method", name)).cached_json("choosing", {}, make)
    assert len(made) == 3
