"""Presets of `freeshot recycle`: named sets of options from minutes to the paper's size, and the choice among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from freeshot.basics.errors import UnknownNameError
from freeshot.basics.suggestions import unknown_name
from freeshot.contracts.component import Choice, options_of
from freeshot.contracts.tracks import Row
from freeshot.launch.plan import FULL, given_options, row_for

if TYPE_CHECKING:
    from freeshot.contracts.method import Method
    from freeshot.plugin.catalogue import Catalogue

PAPER = "paper"
"""The preset of a method's defaults."""
HELD_OUT = 0.1
"""Share of the surrogate classes held out of training by the presets other than 'paper', to measure the gain."""
SMALLEST = 128
"""Side of images in pixels from which a public prior, trained at 224, is used without enlarging them."""
ENLARGED = 224
"""Side to which smaller images are enlarged for the prior by the preset 'paper'."""


def presets_of(method: type[Method], image_size: int) -> dict[str, Mapping[str, object]]:
    """Return the presets of a method by name, the cheapest first; all have 'paper'."""
    return {**method.presets(image_size), PAPER: {}}


def preset_row(name: str, method: str, options: Sequence[str], image_size: int, catalogue: Catalogue) -> Row:
    """Return a method's row under a preset, or under the full profile of a suite, with the given options on top."""
    presets = presets_of(_class(method, catalogue), image_size)
    if name not in presets:
        rows = _suite_rows(name, presets, catalogue)
        return row_for(method, options, rows, catalogue)
    row = row_for(method, options, [Row(method, presets[name])], catalogue)
    if name == PAPER or "held_out" not in options_of(_class(method, catalogue)):
        return row
    return Row(method, {"held_out": HELD_OUT, **row.options})


def with_prior(
    row: Row, preset: str, image_size: int, available: tuple[str, str] | None, catalogue: Catalogue
) -> tuple[Row, str]:
    """Choose the prior of the row's inversion, if it has one and nothing was set; return the reason, too.

    `available` is the name of a prior and its file of weights, if there are any.
    """
    options = _prior_options(row, catalogue)
    if not options or row.options.keys() & {"inversion.prior", "inversion.prior_weights"}:
        return row, ""
    if available is None:
        chosen: dict[str, object] = {"inversion.prior": "none"}
        reason = "none, because the weights folder has no resnet50 or efficientnet-lite0 ('freeshot weights list')"
    elif image_size < SMALLEST and preset != PAPER:
        chosen = {"inversion.prior": "none"}
        reason = f"none, because images of {image_size} px would have to be enlarged for {available[0]}"
    else:
        enlarged = image_size < SMALLEST and "prior_size" in options
        size: dict[str, object] = {"inversion.prior_size": ENLARGED} if enlarged else {}
        chosen = {"inversion.prior": available[0], "inversion.prior_weights": available[1], **size}
        reason = (
            f"{available[0]} ({available[1]}), whose statistics make images natural; none with -o inversion.prior=none"
        )
    return Row(row.method, {**chosen, **row.options}), f"Inversion prior: {reason}."


def choose_preset(seconds: Mapping[str, float | None], budget: float) -> str:
    """Return the most thorough preset within a budget in seconds, from their durations, the cheapest first.

    The first one if none fits or no duration is known.
    """
    fitting = [name for name, duration in seconds.items() if duration is not None and duration <= budget]
    return fitting[-1] if fitting else next(iter(seconds))


def is_set(options: Sequence[str], name: str) -> bool:
    """Return whether the user set an option."""
    return name in given_options(options)


def _class(method: str, catalogue: Catalogue) -> type[Method]:
    from typing import cast

    return cast("type[Method]", catalogue.component("method", method))


def _suite_rows(name: str, presets: Mapping[str, object], catalogue: Catalogue) -> Sequence[Row]:
    try:
        return catalogue.suite(name).profiles[FULL].rows
    except UnknownNameError:
        raise unknown_name("preset or suite", name, [*presets, *catalogue.suites()]) from None


def _prior_options(row: Row, catalogue: Catalogue) -> set[str]:
    """Return which options of a prior the row's inversion has."""
    field = options_of(catalogue.component("method", row.method)).get("inversion")
    if field is None or not isinstance(field.default, Choice):
        return set()
    name = str(row.options.get("inversion", field.default.name))
    return {"prior", "prior_weights", "prior_size"} & options_of(catalogue.component("inversion", name)).keys()
