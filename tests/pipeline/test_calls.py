"""The call stack of a cell is short: few calls from the command to a method, and from there to its learner."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Generator, Tensor

import freeshot
from freeshot import Choice, InversionMethod, Learner, Method, Needs, Teacher, Workbench

if TYPE_CHECKING:
    from tests.conftest import Toy

HARNESS = freeshot.__file__.removesuffix("__init__.py")
calls: dict[str, list[str]] = {}


def record_calls(where: str) -> None:
    """Record the harness's functions on the call stack, outermost first; `freeshot run` calls the first of them."""
    stack = [f for f in traceback.extract_stack() if f.filename.startswith(HARNESS)]
    calls.setdefault(where, [f"{f.filename.removeprefix(HARNESS)}:{f.name}" for f in stack])


@dataclass(frozen=True)
class Recording(Method):
    """Record the calls."""

    name = "noting"
    needs = frozenset({Needs.POOL})

    def prepare(self, bench: Workbench) -> Learner:
        record_calls("prepare")
        bench.surrogates(Choice("inversion", "noting"), Choice("strategy", "none"), 1)
        return RecordingLearner(bench.frozen())


class RecordingLearner(Learner):
    """Record the calls."""

    def __init__(self, inner: Learner) -> None:
        self.inner = inner

    def embed(self, images: Tensor) -> Tensor:
        record_calls("embed")
        return self.inner.embed(images)


@dataclass(frozen=True)
class RecordingInversion(InversionMethod):
    """Record the calls."""

    name = "noting"

    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        import torch

        record_calls("synthesize")
        return torch.rand(len(labels), 3, teacher.image_size, teacher.image_size, generator=rng)


def test_four_calls_lead_to_prepare_and_five_to_embed_and_synthesize(toy: Toy) -> None:
    toy.offer(methods=[Recording], inversion_methods=[RecordingInversion])
    assert toy.record("noting").status == "ok"
    assert calls["prepare"] == [
        "launch/runner.py:execute_plan",
        "launch/launchers/local.py:launch",
        "launch/worker.py:__call__",
        "pipeline/cell.py:run",
    ]
    assert len(calls["embed"]) - 4 <= 5, calls["embed"]
    assert len(calls["synthesize"]) - 4 <= 5, calls["synthesize"]
