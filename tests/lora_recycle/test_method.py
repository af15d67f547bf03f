"""LoRA Recycle before its first step is the backbone itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Toy


@pytest.mark.parametrize("track", ["toy/in-domain/2w1s", "toy/in-domain/2w2s"])
def test_untrained_it_scores_exactly_as_the_frozen_prototype(toy: Toy, track: str) -> None:
    untrained = toy.record("lora-recycle", track=track, options=("learner.iterations=0",))
    assert untrained.status == "ok", untrained.reason
    assert untrained.accuracies == toy.record("frozen-prototype", track=track).accuracies


def test_its_stages_are_inversion_meta_learning_and_evaluation(toy: Toy) -> None:
    assert [stage.stage for stage in toy.record("lora-recycle").stages] == [
        "inversion",
        "meta-learning",
        "preparation",
        "evaluation",
    ]


def test_its_parts_are_on_record_with_their_origin(toy: Toy) -> None:
    parts = toy.record("lora-recycle").spec.components
    assert {name: part.name for name, part in parts.items()} == {
        "inversion": "lora-inversion",
        "strategy": "cls-attention",
        "learner": "prototype",
    }
    assert all(part.origin.startswith("freeshot ") for part in parts.values())


def test_the_accuracy_of_the_loras_on_their_surrogates_is_on_record(toy: Toy) -> None:
    (inversion, *_) = toy.record("lora-recycle").stages
    assert 0 <= inversion.facts["teacher_accuracy"] <= 1


def test_enough_training_changes_the_decisions(toy: Toy) -> None:
    trained = toy.record("lora-recycle", options=("learner.iterations=30", "learner.lr=0.1"))
    assert trained.accuracies != toy.record("frozen-prototype").accuracies


def test_the_share_of_lora_tasks_is_part_of_the_recipe(toy: Toy) -> None:
    for share in (0.0, 1.0):
        record = toy.record("lora-recycle", options=(f"lora_share={share}",))
        assert (record.status, record.stages[1].cached) == ("ok", False)
