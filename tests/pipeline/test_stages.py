"""The recorded cost of a cell's stages excludes the time spent waiting for another process."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import torch

from freeshot.cache.artifacts import Artifact, Artifacts
from freeshot.engine.metering.meter import metered
from freeshot.pipeline.stages import Stages

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest
    from filelock import FileLock

    from freeshot.pipeline.resolve import PlannedCell


HOUR = 3600.0
CPU = torch.device("cpu")


class Clock:
    """The real clock, advanced by the test."""

    def __init__(self) -> None:
        self.real, self.ahead = time.perf_counter, 0.0

    def __call__(self) -> float:
        return self.real() + self.ahead


class MadeElsewhere(Artifacts):
    """Artifacts as if another process computed every stage in an hour."""

    def __init__(self, root: Path, clock: Clock) -> None:
        super().__init__(root)
        self.clock = clock

    def lock(self, stage: str, recipe: Mapping[str, Any]) -> FileLock:
        self.clock.ahead += HOUR
        self.save(stage, recipe, Artifact({"x": torch.ones(1)}, {}, 7.0, 1))
        return super().lock(stage, recipe)


def test_waiting_for_another_process_is_not_charged_to_the_preparation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", clock)
    cell = cast("PlannedCell", SimpleNamespace(title="track · method", id="c0ffee"))
    stages = Stages(cell, MadeElsewhere(tmp_path, clock), CPU)
    with metered(CPU) as whole:
        stages.artifact("stage", {"lr": 0.1}, lambda report, state: Artifact({}, {}), total=1)
    stages.charge_rest(whole)
    assert whole.seconds > HOUR
    waited_for, rest = stages.costs
    assert (waited_for.cached, waited_for.seconds) == (True, 7.0)
    assert rest.seconds < HOUR / 2


def test_a_new_artifact_is_read_from_its_file_and_takes_no_memory_until_used(tmp_path: Path) -> None:
    cell = cast("PlannedCell", SimpleNamespace(title="track · method", id="c0ffee"))
    stages, made = Stages(cell, Artifacts(tmp_path), CPU), torch.rand(3)
    artifact = stages.artifact("stage", {"lr": 0.1}, lambda report, state: Artifact({"x": made}, {}), total=1)
    assert torch.equal(artifact.tensors["x"], made)
    assert artifact.tensors["x"].data_ptr() != made.data_ptr()
    assert not artifact.cached
    assert not stages.costs[0].cached


def test_an_artifact_that_cannot_be_read_back_stays_in_memory(tmp_path: Path) -> None:
    class Unreadable(Artifacts):
        def load(self, stage: str, recipe: Mapping[str, Any]) -> Artifact | None:
            return None

    cell = cast("PlannedCell", SimpleNamespace(title="track · method", id="c0ffee"))
    made = torch.rand(3)
    stages = Stages(cell, Unreadable(tmp_path), CPU)
    artifact = stages.artifact("stage", {"lr": 0.1}, lambda report, state: Artifact({"x": made}, {}), total=1)
    assert artifact.tensors["x"] is made
