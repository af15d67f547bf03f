"""Every gradient meta-learner applies the options that all of them inherit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.given import Given
from tests.test_pipeline import KNOWN

from freeshot import GradientMetaLearner
from freeshot.contracts.tensors import Adapter, Shots, Task
from freeshot.engine import SharedLora

if TYPE_CHECKING:
    from freeshot.engine import Backbone

LEARNERS: dict[str, Any] = {name: KNOWN.component("meta-learner", name) for name in KNOWN.names("meta-learner")}
GRADIENT = [name for name, cls in LEARNERS.items() if issubclass(cls, GradientMetaLearner)]
GROUPS = {"bell": {"group": 2}, "lte": {"heads": 2, "merge_every": 1}}
"""Small enough that something is learned in a few steps."""


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def toy_task(seed: int) -> Task:
    draws = rng(seed)
    shots = [
        Shots(torch.rand(2 * count, 3, 16, 16, generator=draws), torch.arange(2).repeat_interleave(count))
        for count in (2, 3)
    ]
    logits = torch.randn(6, 2, generator=draws) if seed % 2 == 0 else None
    return Task(shots[0], shots[1], 2, logits, ("lora-a", "lora-b"))


TASKS = [toy_task(seed) for seed in range(12)]


def fitted(backbone: Backbone, name: str, **options: Any) -> Adapter:
    learner = LEARNERS[name](iterations=6, warmup=1, **GROUPS.get(name, {}), **options)
    adapter: Adapter = learner.fit(SharedLora(backbone, 2, rng()), Given(TASKS, held_out=TASKS[8:]), rng(2))
    return adapter


@pytest.mark.parametrize("name", GRADIENT)
def test_a_backbone_in_bfloat16_trains_a_lora_in_full_precision(backbone: Backbone, name: str) -> None:
    plain, half = fitted(backbone, name), fitted(replace(backbone, precision="bf16"), name)
    assert any(not torch.equal(plain.tensors[key], half.tensors[key]) for key in plain.tensors)
    assert all(tensor.dtype == torch.float32 and torch.isfinite(tensor).all() for tensor in half.tensors.values())


@pytest.mark.parametrize("name", GRADIENT)
def test_validation_is_recorded_if_requested(backbone: Backbone, name: str) -> None:
    facts = fitted(backbone, name, validate_every=2).facts
    assert facts["validation_step"] in (2, 4, 6)
    assert 0 <= float(facts["validation_accuracy"]) <= 1
    assert "validation_step" not in fitted(backbone, name).facts
