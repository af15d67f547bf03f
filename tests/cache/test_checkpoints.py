"""Interrupted work resumes where it stopped, and ends with the same bits as uninterrupted work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Generator, Tensor

from freeshot.cache.artifacts import Artifact, Artifacts
from freeshot.cache.checkpoints import FileCheckpoint
from freeshot.contracts.tensors import Shots, SurrogateSet
from freeshot.engine import BankTeacher, SharedLora
from freeshot.engine.metering.meter import metered
from freeshot.ops.prototypes import prototype_logits
from freeshot.pipeline.task_sampler import SurrogateSource, Tasks, TaskShape
from freeshot_lora_recycle.inversion import LoraInversion
from freeshot_lora_recycle.prototype import Prototype
from freeshot_lora_recycle.pruning import ClsAttention

if TYPE_CHECKING:
    from freeshot import Model, Task
    from freeshot.contracts.pool import LoraPool
    from freeshot.contracts.strategy import EfficiencyStrategy
    from freeshot.engine import Backbone

STEPS = 9


class KilledError(Exception):
    """Stands for any end of a process."""


def killing(after: int | None) -> Callable[[int, int], None]:
    """Raise when so many steps are done, before their state could be saved."""

    def on_step(done: int, _: int) -> None:
        if done == after:
            raise KilledError

    return on_step


def finish(work: Callable[[int | None], Tensor], kills: tuple[int, ...]) -> Tensor:
    """Restart the work after each kill, and finish it."""
    for kill in kills:
        with pytest.raises(KilledError):
            work(kill)
    return work(None)


KILLS = [(1,), (5,), (STEPS,), (2, 7), (3, 4, 8)]
STRATEGIES = [None, ClsAttention(at=(1,))]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kills", KILLS)
def test_an_inversion_continues_to_the_same_bits(
    tmp_path: Path, backbone: Backbone, pool: LoraPool, kills: tuple[int, ...], strategy: EfficiencyStrategy | None
) -> None:
    method = LoraInversion(iterations=STEPS, prior="none")
    begun: list[int] = []

    def work(kill: int | None, folder: Path = tmp_path) -> Tensor:
        kept = FileCheckpoint(folder / "state.safetensors", every=0)
        begun.append(0 if kept.load() is None else 1)
        teacher = BankTeacher(backbone, [pool.entries[0]], strategy, killing(kill), kept)
        return method.synthesize(teacher, torch.arange(5), torch.Generator().manual_seed(0))

    uninterrupted = work(None, tmp_path / "undisturbed")
    assert torch.equal(finish(work, kills), uninterrupted)
    assert begun == [0, 0, *[1] * len(kills)]


@dataclass(frozen=True)
class LearnedScale(Prototype):
    """Learn the inverse temperature, and a weight of each class that is drawn at the start."""

    name = "learned-scale"

    def extra_parameters(self, model: Model, rng: Generator) -> Mapping[str, Tensor | float]:
        """Start at one, and at random."""
        return {"log_scale": 0.0, "weights": torch.rand(5, generator=rng)}

    def loss(self, model: Model, task: Task) -> Tensor:
        """Return the cross-entropy of nearest class means."""
        support = model.embed(task.support.images, task.support.kept)
        query = model.embed(task.query.images, task.query.kept)
        logits = prototype_logits(query, support, task.support.labels, task.way, scale=1.0)
        logits = logits * model.extra["log_scale"].exp() + model.extra["weights"]
        return torch.nn.functional.cross_entropy(logits, task.query.labels)


@pytest.mark.parametrize("kills", KILLS)
@pytest.mark.parametrize("validate_every", [0, 2])
@pytest.mark.parametrize("learner", [Prototype, LearnedScale])
def test_meta_training_continues_to_the_same_bits(
    tmp_path: Path, backbone: Backbone, kills: tuple[int, ...], validate_every: int, learner: type[Prototype]
) -> None:
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(15, 5, generator=rng)
    shots = Shots(torch.rand(15, 3, 16, 16, generator=rng), torch.arange(5).repeat_interleave(3))
    sets = [SurrogateSet(shots, (0, 1, 2, 3, 4), logits, logits, "lora-000")]
    source = SurrogateSource(sets, TaskShape(5, 1, 2), 0.5, 4, backbone.device, flip=True)
    method = learner(iterations=STEPS, cycle=4, warmup=1, lr=1e-2, validate_every=validate_every)
    held_out = list(Tasks(source.draw, {}, 5).take(3))
    facts: list[Mapping[str, Any]] = []

    def work(kill: int | None, folder: Path = tmp_path) -> Tensor:
        kept = FileCheckpoint(folder / "state.safetensors", every=0)
        tasks = Tasks(source.draw, {}, 3, killing(kill), kept, held_out)
        model = SharedLora(backbone, 2, torch.Generator().manual_seed(0))
        adapter = method.fit(model, tasks, torch.Generator().manual_seed(1))
        facts.append(adapter.facts)
        return torch.cat([tensor.flatten() for tensor in adapter.tensors.values()])

    uninterrupted = work(None, tmp_path / "undisturbed")
    assert torch.equal(finish(work, kills), uninterrupted)
    assert facts[0] == facts[1]
    assert facts[0].get("log_scale") != 0.0


def test_operations_of_interrupted_runs_add_up_to_those_of_a_single_run(
    tmp_path: Path, backbone: Backbone, pool: LoraPool
) -> None:
    method, device = LoraInversion(iterations=STEPS, prior="none"), torch.device("cpu")

    def spent(kill: int | None, folder: Path) -> tuple[float, int]:
        kept = FileCheckpoint(folder / "state.safetensors", every=0)
        with metered(device) as kept.meter:
            teacher = BankTeacher(backbone, [pool.entries[0]], None, killing(kill), kept)
            method.synthesize(teacher, torch.arange(5), torch.Generator().manual_seed(0))
        return kept.meter.seconds, kept.meter.flops

    seconds, flops = spent(None, tmp_path / "undisturbed")
    for kill in (1, 5, STEPS):
        with pytest.raises(KilledError):
            spent(kill, tmp_path)
    resumed = spent(None, tmp_path)
    assert resumed[1] == flops > 0
    assert resumed[0] > seconds / 10


def test_states_are_saved_at_intervals(tmp_path: Path) -> None:
    seldom, always = (FileCheckpoint(tmp_path / name, every) for name, every in (("a", 1e9), ("b", 0)))
    for kept in (seldom, always):
        kept.offer(lambda: {"x": torch.ones(2)})
    assert seldom.load() is None
    loaded = always.load()
    assert loaded is not None
    assert loaded["x"].tolist() == [1, 1]


@pytest.mark.parametrize("content", [b"", b"no tensors"])
def test_a_damaged_state_is_ignored(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state").write_bytes(content)
    assert FileCheckpoint(tmp_path / "state").load() is None


@pytest.mark.parametrize("old", [b'"x"', b"\x00\x00\x80?"])
def test_a_state_with_one_byte_changed_is_ignored(tmp_path: Path, old: bytes) -> None:
    kept = FileCheckpoint(tmp_path / "state", every=0)
    kept.offer(lambda: {"x": torch.ones(4)})
    content = (tmp_path / "state").read_bytes()
    (tmp_path / "state").write_bytes(content.replace(old, bytes([old[0], old[1] ^ 1, *old[2:]]), 1))
    assert kept.load() is None
    (tmp_path / "state").write_bytes(content)
    assert kept.load() is not None


def test_saving_the_finished_artifact_removes_the_state(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path)
    kept = artifacts.checkpoint("stage", {"a": 1})
    kept._every = 0
    kept.offer(lambda: {"x": torch.ones(1)})
    assert kept.load() is not None
    artifacts.save("stage", {"a": 1}, Artifact({"y": torch.ones(1)}, {}, 1.0, 1))
    assert kept.load() is None
    assert artifacts.load("stage", {"a": 1}) is not None
