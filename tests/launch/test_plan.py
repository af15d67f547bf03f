"""Requests become cells, and every invalid name or value is an error before any computation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from freeshot.basics.errors import FreeshotError, OptionError, UnknownNameError
from freeshot.contracts.meta_learner import GradientMetaLearner
from freeshot.contracts.tracks import Profile, Row, Suite
from freeshot.launch.request import MethodChoice
from freeshot.testing.toy import SUITE, TRACKS

if TYPE_CHECKING:
    from tests.conftest import Toy
    from torch import Tensor

    from freeshot.contracts.meta_learner import Model
    from freeshot.contracts.tensors import Task
    from freeshot.records.models import RunSpec


@dataclass(frozen=True)
class Mine(GradientMetaLearner):
    """A meta-learner of a user."""

    name = "mine"

    def loss(self, model: Model, task: Task) -> Tensor:
        """Never called."""
        raise NotImplementedError


def spec_of(toy: Toy, method: str, *options: str, **arguments: Any) -> RunSpec:
    (cell,) = toy.plan(method, options=options, **arguments).cells
    return cell.spec


def test_a_suite_has_a_cell_for_each_row_and_track(toy: Toy) -> None:
    plan = toy.plan(tracks=())
    methods = [row.method for row in SUITE.profiles["full"].rows]
    assert [(c.spec.method.name, c.track.name) for c in plan.cells] == [(m, t.name) for m in methods for t in TRACKS]


def test_each_seed_is_a_cell(toy: Toy) -> None:
    assert [c.spec.seed for c in toy.plan("noise", seeds=(3, 5)).cells] == [3, 5]


def test_without_seeds_those_of_the_profile_are_run(toy: Toy) -> None:
    suite = Suite("seeded", "", ("toy/*",), {"full": Profile((Row("frozen-prototype"),), seeds=(4, 6))})
    toy.offer(suites=[suite])
    assert {c.spec.seed for c in toy.plan(suite="seeded").cells} == {4, 6}
    assert {c.spec.seed for c in toy.plan(suite="seeded", seeds=(1,)).cells} == {1}
    assert {c.spec.seed for c in toy.plan("noise").cells} == {0}


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ({"suite": "toi"}, "toy"),
        ({"profile": "ful"}, "full"),
        ({"tracks": ("toy/in-domian/2w1s",)}, "toy/in-domain/2w1s"),
        ({"methods": ("lora-recycel",)}, "lora-recycle"),
        ({"backbone": "toy-wit"}, "toy-vit"),
        ({"options": ("lerner=prototype",)}, "learner"),
        ({"options": ("learner=prototyp",)}, "prototype"),
        ({"options": ("learner.itertions=3",)}, "iterations"),
    ],
)
def test_for_a_mistyped_name_the_nearest_is_suggested(toy: Toy, arguments: dict[str, Any], meant: str) -> None:
    request = replace(toy.request("lora-recycle"), **arguments)
    with pytest.raises(FreeshotError, match=f"Did you mean '{meant}'"):
        _plan(toy, request)


def _plan(toy: Toy, request: Any) -> object:
    from freeshot.launch.plan import plan_run

    return plan_run(request, toy.catalogue)


def test_two_spellings_of_a_value_are_one_cell(toy: Toy) -> None:
    cells = {spec_of(toy, "lora-recycle", f"learner.lr={value}").cell for value in ("0.01", "1e-2", "0.010")}
    assert len(cells) == 1


def test_an_option_reaches_the_spec(toy: Toy) -> None:
    assert spec_of(toy, "lora-recycle", "rank=7").method.options["rank"] == 7


def test_an_option_of_a_component_reaches_that_component(toy: Toy) -> None:
    assert spec_of(toy, "lora-recycle", "learner.lr=0.5").components["learner"].options["lr"] == 0.5


def test_the_profiles_options_are_kept_beside_those_given(toy: Toy) -> None:
    parts = spec_of(toy, "lora-recycle", "learner.lr=0.5").components
    assert parts["learner"].options["iterations"] == 3
    assert parts["inversion"].options["prior"] == "none"


def test_a_newly_chosen_component_gets_the_profiles_options_that_it_has(toy: Toy) -> None:
    toy.offer(meta_learners=[Mine])
    learner = spec_of(toy, "lora-recycle", "learner=mine").components["learner"]
    assert (learner.name, learner.options["iterations"], learner.options["warmup"]) == ("mine", 3, 1)


def test_a_newly_chosen_component_gets_no_options_that_it_lacks(toy: Toy) -> None:
    assert spec_of(toy, "lora-recycle", "inversion=gaussian-noise").components["inversion"].options == {}


def test_an_option_given_for_a_newly_chosen_component_overrides_the_profiles(toy: Toy) -> None:
    toy.offer(meta_learners=[Mine])
    learner = spec_of(toy, "lora-recycle", "learner=mine", "learner.iterations=9").components["learner"]
    assert learner.options["iterations"] == 9


def test_an_option_may_belong_to_only_some_of_the_methods(toy: Toy) -> None:
    plan = toy.plan("frozen-prototype", "noise", options=("rank=2",))
    assert [cell.spec.method.options.get("rank") for cell in plan.cells] == [None, 2]


def test_an_option_of_no_method_is_an_error(toy: Toy) -> None:
    with pytest.raises(OptionError, match=r"No method of this run has an option 'colour'\. See 'freeshot show METHOD'"):
        toy.plan("frozen-prototype", options=("colour=red",))


def test_an_option_without_a_value_is_an_error(toy: Toy) -> None:
    with pytest.raises(OptionError, match=r"Invalid option 'rank': expected KEY=VALUE"):
        toy.plan("noise", options=("rank",))


def test_a_value_of_the_wrong_type_is_an_error(toy: Toy) -> None:
    with pytest.raises(OptionError, match=r"Option 'rank' of 'noise' cannot be 'four'; expected int"):
        toy.plan("noise", options=("rank=four",))


def test_a_request_without_suite_and_tracks_is_an_error(toy: Toy) -> None:
    with pytest.raises(OptionError, match="Nothing to run: give a suite"):
        toy.plan("noise", suite=None, tracks=())


def test_without_a_suite_tracks_and_methods_suffice(toy: Toy) -> None:
    (cell,) = toy.plan("frozen-prototype", suite=None).cells
    assert cell.spec.suite == "custom"


def test_a_profile_needs_a_suite(toy: Toy) -> None:
    with pytest.raises(OptionError, match="A profile needs a suite"):
        toy.plan("noise", suite=None, profile="full")


def test_the_order_of_options_does_not_change_the_cell(toy: Toy) -> None:
    options = ("rank=2", "learner.lr=0.5", "per_class=6")
    assert spec_of(toy, "noise", *options).cell == spec_of(toy, "noise", *reversed(options)).cell


def test_an_explicit_default_is_the_same_cell(toy: Toy) -> None:
    assert spec_of(toy, "noise", "rank=4").cell == spec_of(toy, "noise").cell


def test_another_value_is_another_cell(toy: Toy) -> None:
    assert spec_of(toy, "noise", "learner.lr=0.5").cell != spec_of(toy, "noise").cell


def test_a_finished_cell_is_done(toy: Toy) -> None:
    toy.launch("frozen-prototype")
    (cell,) = toy.plan("frozen-prototype").cells
    assert (cell.state, cell.reason) == ("done", "finished; --rerun runs it again")


def test_rerun_makes_a_done_cell_due(toy: Toy) -> None:
    toy.launch("frozen-prototype")
    (cell,) = toy.plan("frozen-prototype", rerun=True).cells
    assert cell.state == "todo"


def test_a_limit_marks_the_cell(toy: Toy) -> None:
    limited = spec_of(toy, "frozen-prototype", limit=3)
    assert limited.limit == 3
    assert limited.cell != spec_of(toy, "frozen-prototype").cell


def test_a_limit_of_all_episodes_is_no_limit(toy: Toy) -> None:
    assert spec_of(toy, "frozen-prototype", limit=20).limit is None


OPTIONAL = replace(TRACKS[0], name="toy/fetched/2w1s", optional=True)
FETCHED = Suite("fetched", "With a track to fetch.", ("toy/*",), {"full": Profile((Row("frozen-prototype"),))})


@pytest.mark.parametrize(("patterns", "planned"), [((), False), (("toy/*",), False), (("toy/fetched/2w1s",), True)])
def test_an_optional_track_is_run_only_by_its_full_name(toy: Toy, patterns: tuple[str, ...], planned: bool) -> None:
    toy.offer(tracks=[OPTIONAL], suites=[FETCHED])
    plan = toy.plan("frozen-prototype", suite="fetched", tracks=patterns)
    assert (OPTIONAL.name in {cell.track.name for cell in plan.cells}) == planned


def test_a_track_outside_of_the_suite_is_an_error(toy: Toy) -> None:
    toy.offer(tracks=[replace(TRACKS[0], name="elsewhere/2w1s")])
    with pytest.raises(
        OptionError, match=r"Suite 'toy' has no track that matches elsewhere/2w1s\. See 'freeshot list tracks'\."
    ):
        toy.plan("frozen-prototype", track="elsewhere/2w1s")


def test_the_error_for_an_unknown_name_lists_the_valid_ones(toy: Toy) -> None:
    with pytest.raises(UnknownNameError, match=r"No profile of 'toy' is called 'huge'\. Known: full\."):
        toy.plan("noise", profile="huge")


def chosen(toy: Toy, name: str, **options: Any) -> RunSpec:
    (cell,) = toy.plan(MethodChoice.of(name, options)).cells
    return cell.spec


def test_options_of_one_method_do_not_change_the_others(toy: Toy) -> None:
    plan = toy.plan("noise", MethodChoice.of("lora-recycle", {"rank": 2}))
    assert [cell.spec.method.options["rank"] for cell in plan.cells] == [4, 2]


def test_a_typed_value_and_its_text_are_one_cell(toy: Toy) -> None:
    typed = chosen(toy, "lora-recycle", rank=2, learner={"lr": 0.5})
    assert typed.cell == spec_of(toy, "lora-recycle", "rank=2", "learner.lr=0.5").cell


def test_a_component_is_chosen_together_with_its_options(toy: Toy) -> None:
    toy.offer(meta_learners=[Mine])
    learner = chosen(toy, "lora-recycle", learner={"name": "mine", "iterations": 9}).components["learner"]
    assert (learner.name, learner.options["iterations"], learner.options["warmup"]) == ("mine", 9, 1)


def test_a_method_may_run_with_several_settings(toy: Toy) -> None:
    plan = toy.plan("noise", MethodChoice.of("noise", {"rank": 2}))
    assert len({cell.spec.cell for cell in plan.cells}) == 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"colour": 1}, "No option of 'noise' is called 'colour'"),
        ({"rnk": 1}, "Did you mean 'rank'?"),
        ({"rank": 1.5}, "Option 'rank' of 'noise' cannot be 1.5; expected int"),
        ({"learner": 3}, "No meta-learner is called '3'."),
        ({"rank": object()}, "Option 'rank' cannot be a value of type object; expected text, a number"),
    ],
)
def test_an_invalid_option_of_one_method_is_an_error(toy: Toy, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(FreeshotError) as error:
        chosen(toy, "noise", **options)
    assert sentence in str(error.value)
