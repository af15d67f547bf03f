"""An option that comes later leaves the hashes of earlier records alone, until it is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from freeshot.contracts.component import added, build, neutral_options, options_of, to_json
from freeshot.contracts.meta_learner import MetaLearner
from freeshot.records.models import Part, RunSpec, TrackSpec


@dataclass(frozen=True)
class Early(MetaLearner):
    """As it was."""

    name = "mine"
    pace: float = 0.1

    def fit(self, model: Any, tasks: Any, rng: Any) -> Any:
        raise NotImplementedError


@dataclass(frozen=True)
class Late(Early):
    """As it is now."""

    name = "mine"
    weight: float = added(0.0)
    """New."""


def part(component: MetaLearner) -> Part:
    return Part(
        kind="meta-learner", name="mine", options=to_json(component), neutral=neutral_options(component), origin="x 1"
    )


def cell(component: MetaLearner, slot: str) -> str:
    track = TrackSpec(
        name="t", version=1, dataset="d", split="novel", pool="p", sources=(), way=2, shot=1, query=1, episodes=1,
        selection="none", episodes_sha256="",
    )  # fmt: skip
    other = Part(kind="method", name="m")
    at = {name: part(component) if name == slot else other for name in ("method", "backbone", "parts")}
    chosen = {"learner": at["parts"]}
    return RunSpec(suite="s", track=track, parts=chosen, method=at["method"], backbone=at["backbone"]).cell


@pytest.mark.parametrize("slot", ["method", "backbone", "parts"])
def test_at_its_default_it_is_not_hashed(slot: str) -> None:
    assert cell(Late(), slot) == cell(Early(), slot)
    assert cell(Late(weight=0.5), slot) != cell(Early(), slot)
    assert cell(Late(pace=0.2), slot) != cell(Early(), slot)


def test_a_parts_identity_is_what_it_was() -> None:
    assert part(Late()).identity() == part(Early()).identity()
    assert part(Late(weight=1.0)).identity()["options"] == {"pace": 0.1, "weight": 1.0}
    assert "origin" not in part(Early()).identity()


def test_it_is_an_option_like_any_other() -> None:
    assert options_of(Late)["weight"].help == "New."
    assert build(Late, {"weight": "0.25"}).weight == 0.25
    assert to_json(Late()) == {"pace": 0.1, "weight": 0.0}


def test_a_record_keeps_its_cell_when_it_is_read_again() -> None:
    spec = part(Late())
    assert Part.model_validate_json(spec.model_dump_json()) == spec
