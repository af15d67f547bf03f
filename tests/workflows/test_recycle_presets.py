"""Presets are sets of options that fit every image size; the default is the most thorough that fits a budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from freeshot.basics.errors import OptionError, UnknownNameError
from freeshot.contracts.tracks import Row
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins
from freeshot.workflows.recycle_presets import choose_preset, preset_row, presets_of, with_prior

if TYPE_CHECKING:
    from typing import Any

CATALOGUE = Catalogue(load_plugins())
WEIGHTS = ("resnet50", "resnet50-keras.safetensors")


@pytest.mark.parametrize(
    ("seconds", "budget", "chosen"),
    [
        ({"quick": 10, "good": 100, "paper": 1000}, 5000, "paper"),
        ({"quick": 10, "good": 100, "paper": 1000}, 999, "good"),
        ({"quick": 10, "good": 100, "paper": 1000}, 100, "good"),
        ({"quick": 10, "good": 100, "paper": 1000}, 99, "quick"),
        ({"quick": 10, "good": 100, "paper": 1000}, 1, "quick"),
        ({"quick": None, "good": None, "paper": None}, 100, "quick"),
        ({"paper": None}, 100, "paper"),
    ],
)
def test_the_most_thorough_preset_within_the_budget_is_chosen(
    seconds: dict[str, float | None], budget: float, chosen: str
) -> None:
    assert choose_preset(seconds, budget) == chosen


@pytest.mark.parametrize("method", ["lora-recycle", "free", "lora-average"])
@pytest.mark.parametrize("side", [16, 28, 64, 224, 384])
def test_every_preset_of_a_method_can_be_built(method: str, side: int) -> None:
    cls: Any = CATALOGUE.component("method", method)
    names = [*presets_of(cls, side)]
    assert names[-1] == "paper"
    for name in names:
        row = preset_row(name, method, (), side, CATALOGUE)
        assert row.method == method


def test_presets_grow_from_the_first_to_the_paper() -> None:
    rows = [preset_row(name, "lora-recycle", (), 28, CATALOGUE).options for name in ("quick", "good")]
    for option, paper in (("inversion.iterations", 2000), ("learner.iterations", 80_000)):
        sizes: list[Any] = [options[option] for options in rows]
        assert sizes == sorted(sizes)
        assert sizes[-1] < paper


@pytest.mark.parametrize(("side", "weight"), [(16, 100), (28, 100), (64, 24.8), (224, 3), (384, 3)])
def test_the_smoothness_weight_is_interpolated_between_image_sizes(side: int, weight: float) -> None:
    options = preset_row("good", "lora-recycle", (), side, CATALOGUE).options
    assert options["inversion.total_variation"] == weight


def test_the_paper_preset_has_no_options_and_a_suite_has_its_own() -> None:
    assert preset_row("paper", "lora-recycle", (), 28, CATALOGUE) == Row("lora-recycle", {})
    assert preset_row("toy", "lora-recycle", (), 16, CATALOGUE).options["inversion.iterations"] == 3


def test_only_quick_and_good_hold_classes_out() -> None:
    shares = {name: preset_row(name, "lora-recycle", (), 28, CATALOGUE).options.get("held_out") for name in (
        "quick", "good", "paper", "toy"
    )}  # fmt: skip
    assert shares == {"quick": 0.1, "good": 0.1, "paper": None, "toy": None}


def test_given_options_take_precedence_over_a_preset() -> None:
    row = preset_row("quick", "lora-recycle", ("inversion.iterations=7", "held_out=0.3"), 28, CATALOGUE)
    assert (row.options["inversion.iterations"], row.options["held_out"]) == ("7", "0.3")


def test_another_inversion_keeps_the_number_of_steps_only() -> None:
    options = preset_row("quick", "lora-recycle", ("inversion=deep-inversion",), 28, CATALOGUE).options
    assert {key for key in options if key.startswith("inversion")} == {"inversion", "inversion.iterations"}


def test_unknown_presets_and_options_are_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"No preset or suite is called 'goood'\. Did you mean 'good'\?"):
        preset_row("goood", "lora-recycle", (), 28, CATALOGUE)
    with pytest.raises(OptionError, match=r"No method of this run has an option 'rnk'\. Did you mean 'rank'\?"):
        preset_row("good", "lora-recycle", ("rnk=3",), 28, CATALOGUE)


@pytest.mark.parametrize(
    ("preset", "side", "available", "chosen"),
    [
        ("good", 224, None, {"prior": "none"}),
        ("paper", 224, None, {"prior": "none"}),
        ("good", 28, WEIGHTS, {"prior": "none"}),
        ("good", 224, WEIGHTS, {"prior": "resnet50", "prior_weights": WEIGHTS[1]}),
        ("paper", 224, WEIGHTS, {"prior": "resnet50", "prior_weights": WEIGHTS[1]}),
        ("paper", 28, WEIGHTS, {"prior": "resnet50", "prior_weights": WEIGHTS[1], "prior_size": 224}),
    ],
)
def test_a_prior_is_used_only_if_its_weights_are_available(
    preset: str, side: int, available: tuple[str, str] | None, chosen: dict[str, object]
) -> None:
    row, reason = with_prior(Row("lora-recycle", {}), preset, side, available, CATALOGUE)
    assert row.options == {f"inversion.{name}": value for name, value in chosen.items()}
    assert reason.startswith(f"Inversion prior: {chosen['prior']}")


def test_a_prior_that_cannot_enlarge_images_has_no_size_option() -> None:
    row, _ = with_prior(Row("lora-recycle", {"inversion": "deep-inversion"}), "paper", 28, WEIGHTS, CATALOGUE)
    assert row.options.keys() == {"inversion", "inversion.prior", "inversion.prior_weights"}


@pytest.mark.parametrize(
    "row",
    [
        Row("lora-recycle", {"inversion.prior": "none"}),
        Row("lora-recycle", {"inversion.prior_weights": "mine.pth"}),
        Row("lora-recycle", {"inversion": "zeroth-order"}),
        Row("lora-average", {}),
    ],
)
def test_a_prior_that_is_set_or_absent_is_not_changed(row: Row) -> None:
    assert with_prior(row, "good", 224, WEIGHTS, CATALOGUE) == (row, "")
