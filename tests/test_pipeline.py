"""Every method, and every part of LoRA Recycle, that any installed plugin offers runs in the toy world from end to end.

A new plugin is thus tested by existing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from freeshot.contracts.component import Choice, options_of
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins
from freeshot.testing.toy import TRACKS

if TYPE_CHECKING:
    from tests.conftest import Toy

    from freeshot.contracts.component import Component
    from freeshot.records.models import RunRecord

KNOWN = Catalogue(load_plugins())
METHODS = KNOWN.names("method")
PARTS = [KNOWN.names(kind) for kind in ("inversion", "strategy", "meta-learner")]

SMALL: dict[str, Any] = {
    "iterations": 3,
    "warmup": 1,
    "outer": 2,
    "inner": 2,
    "inner_steps": 1,
    "pairs": 1,
    "depth": 1,
    "prior": "none",
    "per_class": 5,
    "trials": 2,
    "steps": 2,
    "budget": 3,
    "lrs": (1e-3,),
    "search": 2,
    "rounds": 2,
    "loras": 2,
    "held_out": 0.3,
    "directions": 3,
}
"""Sizes at which any component takes a moment, for options of these names."""


def small(cls: type[Component], stem: str = "") -> list[str]:
    """Set the options that a component has to a small size, those of its parts included."""
    given = []
    for name, option in options_of(cls).items():
        if isinstance(option.default, Choice) and option.default.kind == "method":
            continue  # methods on top of another method have tests of their own
        if isinstance(option.default, Choice):
            given += small(KNOWN.component(option.default.kind, option.default.name), f"{stem}{name}.")
        elif name in SMALL:
            value = SMALL[name]
            value = (value,) if isinstance(option.default, tuple) and not isinstance(value, tuple) else value
            given.append(f"{stem}{name}={','.join(map(str, value)) if isinstance(value, tuple) else value}")
    return given


def assert_complete(record: RunRecord) -> None:
    assert record.status == "ok", record.reason
    assert len(record.accuracies) == record.spec.track.episodes
    assert record.stages[-1].stage == "evaluation"
    assert all(stage.seconds > 0 for stage in record.stages)
    assert all(len(str(stage.facts)) < 500 for stage in record.stages)  # trained parameters belong in the cache


@pytest.mark.parametrize("track", [track.name for track in TRACKS])
@pytest.mark.parametrize("method", METHODS)
def test_a_method_runs_from_end_to_end(toy: Toy, method: str, track: str) -> None:
    options = tuple(small(KNOWN.component("method", method)))
    assert_complete(toy.record(method, suite=None, track=track, options=options))


def combinations_of_parts() -> list[tuple[str, str, str]]:
    """Combine inversion, strategy and learner so that any two parts that share an artifact occur together: each
    strategy with each learner, which gets its masks, and with each inversion.
    """
    inversions, strategies, learners = PARTS
    actual = [
        (inversions[(i + j) % len(inversions)], strategy, learners[i % len(learners)])
        for j, strategy in enumerate(strategies)
        for i in range(max(len(learners), len(inversions)))
    ]
    assert {(s, i) for i, s, _ in actual} == {(s, i) for s in strategies for i in inversions}
    assert {(s, m) for _, s, m in actual} == {(s, m) for s in strategies for m in learners}
    return actual


KINDS = {"inversion": "inversion", "strategy": "strategy", "learner": "meta-learner"}


def small_parts(chosen: dict[str, str]) -> tuple[str, ...]:
    """Choose parts of LoRA Recycle, and set their options to a small size."""
    options = [f"{slot}={name}" for slot, name in chosen.items()]
    for slot, name in chosen.items():
        options += small(KNOWN.component(KINDS[slot], name), f"{slot}.")
    # a learner that selects LoRAs judges them on classes that are held out
    held_out = "selection" in options_of(KNOWN.component("meta-learner", chosen["learner"]))
    return (*options, "per_class=4", *["held_out=0.3"] * held_out)


@pytest.mark.parametrize(("inversion", "strategy", "learner"), combinations_of_parts())
def test_parts_combine_in_lora_recycle(toy: Toy, inversion: str, strategy: str, learner: str) -> None:
    chosen = {"inversion": inversion, "strategy": strategy, "learner": learner}
    record = toy.record("lora-recycle", suite=None, options=small_parts(chosen))
    assert_complete(record)
    assert {slot: part.name for slot, part in record.spec.components.items()} == chosen
