"""The bench grants what was declared, caches what was computed, and opens no test image."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import torch

from freeshot.basics.errors import EpisodeError, OptionError, PoolError, UndeclaredError
from freeshot.contracts.component import Choice
from freeshot.contracts.inversion import InversionMethod
from freeshot.contracts.meta_learner import GradientMetaLearner
from freeshot.contracts.method import Learner, Method, Needs
from freeshot.engine import adapter_of, factors_of
from freeshot.pipeline.context import RunContext
from freeshot.plugin.collect import Registered
from freeshot.testing import toy as world

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Toy
    from torch import Generator, Tensor

    from freeshot.contracts.inversion import Teacher
    from freeshot.contracts.meta_learner import Model
    from freeshot.contracts.method import Workbench
    from freeshot.contracts.tensors import Task
    from freeshot.pipeline.workbench import Bench


@dataclass(frozen=True)
class Modest(Method):
    """Need nothing."""

    name = "modest"

    def prepare(self, bench: Workbench) -> Learner:
        """Take the backbone as it is."""
        return bench.frozen()


@dataclass(frozen=True)
class Rich(Modest):
    """Need everything."""

    name = "rich"
    needs = frozenset(Needs)


@dataclass(frozen=True)
class Grey(InversionMethod):
    """Return grey images and count the calls."""

    name = "grey"
    shade: float = 0.5
    """Of the pixels, 0…1."""
    calls: ClassVar[list[int]] = []

    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        """Return grey."""
        self.calls.append(len(labels))
        return torch.full((len(labels), 3, teacher.image_size, teacher.image_size), self.shade)


@dataclass(frozen=True)
class Counting(GradientMetaLearner):
    """Count the calls."""

    name = "counting"
    calls: ClassVar[list[int]] = []

    def loss(self, model: Model, task: Task) -> Tensor:
        """Count."""
        self.calls.append(1)
        return model.embed(task.query.images).square().mean()


@pytest.fixture
def stocked(toy: Toy) -> Toy:
    toy.offer(methods=[Modest, Rich], inversion_methods=[Grey], meta_learners=[Counting])
    Grey.calls.clear()
    Counting.calls.clear()
    return toy


GREY, NONE = Choice("inversion", "grey"), Choice("strategy", "none")
SHORT = Choice("meta-learner", "counting", (("iterations", 2), ("warmup", 1)))
LORAS = 4


def test_undeclared_needs_are_refused(stocked: Toy) -> None:
    bench = stocked.bench(Modest())
    with pytest.raises(UndeclaredError, match=r"which it did not declare\. Add Needs\.POOL to its needs"):
        bench.pool()
    with pytest.raises(UndeclaredError, match=r"Needs\.BASE_IMAGES"):
        bench.base_tasks(flip=False)
    with pytest.raises(UndeclaredError, match=r"Needs\.VALIDATION"):
        bench.validation_episodes(1)


def test_surrogates_need_the_pool(stocked: Toy) -> None:
    bench = stocked.bench(Modest())
    with pytest.raises(UndeclaredError, match=r"Needs\.POOL"):
        bench.surrogates(GREY, NONE, 4)
    with pytest.raises(UndeclaredError, match=r"Needs\.POOL"):
        bench.surrogate_tasks([], 1.0, flip=False)


def test_preparing_opens_no_test_image(stocked: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    load = world.ToyWaves.load

    def recorded(self: world.ToyWaves, split: str, root: Path) -> world.ToyImages:
        opened.append(split)
        return load(self, split, root)

    monkeypatch.setattr(world.ToyWaves, "load", recorded)
    bench = stocked.bench(Rich())
    surrogates = bench.surrogates(GREY, NONE, 4)
    bench.meta_learn(SHORT, bench.surrogate_tasks(surrogates, 0.5, flip=True), 2)
    bench.meta_learn(SHORT, bench.base_tasks(flip=True), 2)
    bench.validation_episodes(2)
    assert set(opened) == {"base", "validation"}


def test_each_lora_is_inverted_once(stocked: Toy) -> None:
    surrogates = stocked.bench(Rich()).surrogates(GREY, NONE, 3)
    assert len(Grey.calls) == len(surrogates) == LORAS


def test_a_second_meta_learner_uses_the_same_surrogates(stocked: Toy) -> None:
    options = ("inversion=grey", "strategy=none")
    assert stocked.record("lora-recycle", options=options).status == "ok"
    second = stocked.record("lora-recycle", options=(*options, "learner=counting"))
    assert second.status == "ok"
    assert len(Grey.calls) == LORAS
    assert {stage.stage: stage.cached for stage in second.stages}["inversion"]


def test_with_other_weights_in_the_same_file_a_pool_is_inverted_again(
    stocked: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "prior.safetensors"
    monkeypatch.setattr(Grey, "weight_files", lambda self: (str(weights),))
    for content in (b"one", b"two", b"two"):
        weights.write_bytes(content)
        bench = stocked.bench(Rich())
        bench.surrogates(GREY, NONE, 3)
    assert len(Grey.calls) == 2 * LORAS
    (stage,) = bench.stages
    assert stage.facts["files"] == {str(weights): hashlib.sha256(b"two").hexdigest()}


@pytest.mark.parametrize(
    ("inversion", "strategy", "per_class"),
    [
        (GREY.with_options(shade=0.4), NONE, 3),
        (GREY, Choice("strategy", "cls-attention", (("at", (0,)),)), 3),
        (GREY, NONE, 4),
    ],
)
def test_with_another_recipe_a_pool_is_inverted_again(
    stocked: Toy, inversion: Choice, strategy: Choice, per_class: int
) -> None:
    bench = stocked.bench(Rich())
    bench.surrogates(GREY, NONE, 3)
    bench.surrogates(inversion, strategy, per_class)
    assert len(Grey.calls) == 2 * LORAS


def test_all_masks_of_the_last_layer_share_an_inversion(stocked: Toy) -> None:
    bench = stocked.bench(Rich())
    shares = [Choice("strategy", "cls-attention", (("ratio", ratio),)) for ratio in (0.75, 0.5, 0.25)]
    masks = [bench.surrogates(GREY, share, 3)[0].shots.kept for share in (NONE, *shares)]
    assert [None if mask is None else mask.shape[1] for mask in masks] == [None, 4, 8, 12]
    assert len(Grey.calls) == LORAS


def test_with_another_seed_a_pool_is_inverted_again(stocked: Toy) -> None:
    for seed in (0, 1):
        stocked.bench(Rich(), seed=seed).surrogates(GREY, NONE, 3)
    assert len(Grey.calls) == 2 * LORAS


def test_inversion_in_batches_gives_every_class_its_images(stocked: Toy) -> None:
    noise = Choice("inversion", "gaussian-noise")
    whole, parts = (stocked.bench(Rich()).surrogates(noise, NONE, 5, batch) for batch in (0, 2))
    for first, second in zip(whole, parts, strict=True):
        way = len(first.class_ids)
        assert second.shots.labels.sort().values.tolist() == first.shots.labels.sort().values.tolist()
        assert second.shots.labels[:way].tolist() == list(range(way))
        assert len({tuple(image.flatten().tolist()) for image in second.shots.images}) == 5 * way
    again = stocked.bench(Rich()).surrogates(noise, NONE, 5, 2)
    assert all(torch.equal(a.shots.images, b.shots.images) for a, b in zip(parts, again, strict=True))


def test_held_out_classes_are_evaluated_and_not_trained_on(stocked: Toy) -> None:
    bench = stocked.bench(Rich())
    surrogates = bench.surrogates(Choice("inversion", "gaussian-noise"), NONE, 5)
    tasks = bench.surrogate_tasks(surrogates, 0.0, flip=False, held_out=0.2)
    shown = {tuple(image.flatten()[:4].tolist()) for task in tasks.take(60) for image in task.query.images}
    evaluated = {tuple(image.flatten()[:4].tolist()) for task in tasks.held_out for image in task.query.images}
    assert evaluated
    assert not shown & evaluated
    assert bench.surrogate_tasks(surrogates, 0.0, flip=False).recipe != tasks.recipe


def test_tasks_of_given_ways_and_shots_share_a_meta_lora_across_tracks(stocked: Toy) -> None:
    surrogates = stocked.bench(Rich()).surrogates(Choice("inversion", "gaussian-noise"), NONE, 5)
    for shot in (1, 2):
        bench = stocked.bench(Rich(), track=f"toy/in-domain/2w{shot}s")
        for tasks in (
            bench.surrogate_tasks(surrogates, 0.0, flip=False, way=3, shot=2),
            bench.base_tasks(flip=False, way=3, shot=2),
        ):
            (task, *_) = tasks.take(1)
            assert task.way == 3
            assert task.support.labels.bincount().tolist() == [2, 2, 2]
            bench.meta_learn(SHORT, tasks, 2)
    assert len(Counting.calls) == 2 * 2, "two meta-LoRAs, of two steps each"


@pytest.mark.parametrize(("way", "shot"), [(-1, 0), (1, 0), (0, -1)])
def test_tasks_of_impossible_sizes_are_refused(stocked: Toy, way: int, shot: int) -> None:
    with pytest.raises(OptionError, match=rf"{way} classes and {shot} shots\. Set at least 2 classes"):
        stocked.bench(Rich()).base_tasks(flip=False, way=way, shot=shot)


def test_surrogates_from_the_cache_equal_those_computed(stocked: Toy) -> None:
    noise = Choice("inversion", "gaussian-noise")
    made, kept = (stocked.bench(Rich()).surrogates(noise, NONE, 3) for _ in range(2))
    for first, second in zip(made, kept, strict=True):
        assert torch.equal(first.shots.images, second.shots.images)
        assert torch.equal(first.mirrored_logits, second.mirrored_logits)
        assert (first.source, first.class_ids) == (second.source, second.class_ids)


def test_mirrored_logits_are_those_of_the_mirrored_images(stocked: Toy) -> None:
    from freeshot.engine.inversion.teacher import BankTeacher

    bench = stocked.bench(Rich())
    (first, *_) = bench.surrogates(Choice("inversion", "gaussian-noise"), NONE, 3)
    teacher = BankTeacher(bench._context.backbone(bench.cell.spec.backbone), [bench.pool().entries[0]])
    assert torch.allclose(first.mirrored_logits, teacher.plain_logits(first.shots.images.flip(-1)), atol=1e-5)


def test_surrogates_carry_the_mask_of_the_strategy(stocked: Toy) -> None:
    half = Choice("strategy", "cls-attention", (("ratio", 0.5),))
    (first, *_) = stocked.bench(Rich()).surrogates(GREY, half, 2)
    assert first.shots.kept is not None
    assert first.shots.kept.shape == (len(first.shots), 8)


def test_meta_learning_is_done_once_per_recipe(stocked: Toy) -> None:
    for _ in range(2):
        bench = stocked.bench(Rich())
        bench.meta_learn(SHORT, bench.base_tasks(flip=False), 2)
    assert len(Counting.calls) == 2


def test_a_meta_lora_is_trained_on_top_of_a_base_and_added_to_it(stocked: Toy) -> None:
    bench = stocked.bench(Rich())
    tasks = bench.base_tasks(flip=False)
    (base, *_) = (adapter_of(entry.factors) for entry in bench.pool())
    images = torch.rand(3, 3, 16, 16)
    untrained = Choice("meta-learner", "counting", (("iterations", 1), ("warmup", 1), ("lr", 1e-9)))
    alone, above = bench.meta_learn(untrained, tasks, 2), bench.meta_learn(untrained, tasks, 2, base=base)
    assert torch.allclose(bench.adapted(above).embed(images), bench.adapted(base).embed(images), atol=1e-5)
    assert not torch.allclose(bench.adapted(above).embed(images), bench.adapted(alone).embed(images), atol=1e-3)
    trained = [bench.meta_learn(SHORT, tasks, 2, base=b) for b in (None, base)]
    moved = [{s: b @ a for s, (a, b) in factors_of(adapter).items()} for adapter in (*trained, base)]
    assert any(not torch.allclose(moved[0][slot], moved[1][slot] - moved[2][slot]) for slot in moved[0])


def test_meta_learning_on_other_tasks_is_repeated(stocked: Toy) -> None:
    bench = stocked.bench(Rich())
    for flip in (False, True):
        bench.meta_learn(SHORT, bench.base_tasks(flip=flip), 2)
    assert len(Counting.calls) == 4


def test_a_meta_lora_acts_on_the_requested_layers(stocked: Toy) -> None:
    bench = stocked.bench(Rich())
    adapter = bench.meta_learn(SHORT, bench.base_tasks(flip=False), 2, ("fc1", "proj"))
    assert {name.split(".", 2)[2].partition("[")[0] for name in adapter.tensors} == {"mlp.fc1", "attn.proj"}
    assert adapter.tensors.keys() != bench.meta_learn(SHORT, bench.base_tasks(flip=False), 2).tensors.keys()


def test_a_cached_stage_keeps_its_cost(stocked: Toy) -> None:
    benches: list[Bench] = []
    for _ in range(2):
        benches.append(stocked.bench(Rich()))
        benches[-1].meta_learn(SHORT, benches[-1].base_tasks(flip=False), 2)
    (made,), (kept,) = (bench.stages for bench in benches)
    assert (made.cached, kept.cached, made.seconds) == (False, True, kept.seconds)


def test_validation_trials_are_the_same_for_two_methods(stocked: Toy) -> None:
    @dataclass(frozen=True)
    class Other(Rich):
        """Another."""

        name = "other"

    stocked.offer(methods=[Other])
    ours, theirs = (stocked.bench(method).validation_episodes(5) for method in (Rich(), Other()))
    assert len(ours) == len(theirs) == 5
    for first, second in zip(ours, theirs, strict=True):
        assert torch.equal(first.support.images, second.support.images)
        assert torch.equal(first.query.images, second.query.images)


def test_validation_trials_have_the_shape_of_the_track(stocked: Toy) -> None:
    (trial,) = stocked.bench(Rich(), "toy/in-domain/2w2s").validation_episodes(1)
    assert Counter(trial.support.labels.tolist()) == {0: 2, 1: 2}
    assert Counter(trial.query.labels.tolist()) == {0: 3, 1: 3}


def test_validation_classes_with_too_few_images_are_an_error(stocked: Toy) -> None:
    bench = stocked.bench(Rich())
    bench.track = replace(bench.track, query=50)
    with pytest.raises(EpisodeError, match="needs 51 images of every class"):
        bench.validation_episodes(1)


def test_a_track_without_validation_classes_is_an_error(stocked: Toy) -> None:
    bench = stocked.bench(Rich())
    bench.track = replace(bench.track, sources=())
    with pytest.raises(EpisodeError, match="has no validation classes"):
        bench.validation_episodes(1)


def test_the_backbone_is_a_copy_that_may_be_changed(stocked: Toy) -> None:
    bench = stocked.bench(Rich())
    images = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        before = bench.frozen().embed(images)
        copy = bench.backbone()
        assert torch.allclose(copy(images), before, atol=1e-6)
        for weight in copy.parameters():
            weight.zero_()
        assert torch.equal(bench.frozen().embed(images), before)


def test_the_device_is_that_of_the_backbone(stocked: Toy) -> None:
    bench = stocked.bench(Rich())
    assert {weight.device for weight in bench.backbone().parameters()} == {bench.device}


def test_random_streams_have_names(stocked: Toy) -> None:
    bench = stocked.bench(Rich())
    first, again, other = (torch.rand(4, generator=bench.rng(name)) for name in ("a", "a", "b"))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_cached_json_is_not_computed_again(stocked: Toy) -> None:
    made: list[int] = []

    def make() -> dict[str, object]:
        made.append(1)
        return {"lr": 0.1}

    actual = [stocked.bench(Rich()).cached_json("choosing", {"grid": [1, 2]}, make) for _ in range(2)]
    assert (actual, len(made)) == ([{"lr": 0.1}] * 2, 1)


def test_artifacts_of_another_version_are_computed_again(stocked: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []

    def make(report: Any) -> dict[str, torch.Tensor]:
        kept.append(1)
        return {"weight": torch.zeros(1)}

    for origin in ("theirs 0.1", "theirs 0.2", "theirs 0.2"):
        monkeypatch.setattr(Registered, "origin", origin)
        bench = stocked.bench(Rich())
        bench.cached_tensors("training", {}, make)
        tasks = bench.surrogate_tasks(bench.surrogates(GREY, NONE, 3), 1.0, flip=False)
        bench.meta_learn(SHORT, tasks, 2)
    assert (len(Grey.calls), len(kept)) == (2 * LORAS, 2)
    assert len(Counting.calls) == 2 * 2


def test_artifacts_of_a_pool_are_not_reused_for_a_part_of_it(stocked: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(report: Any) -> dict[str, torch.Tensor]:
        return {"loras": torch.tensor(len(stocked.bench(Rich()).pool()))}

    whole = stocked.bench(Rich())
    assert whole.cached_tensors("training", {}, make)["loras"] == LORAS
    pool = whole.pool()
    part = replace(pool, entries=pool.entries[:2])
    monkeypatch.setattr(RunContext, "pool", lambda self, name, backbone: part)
    assert stocked.bench(Rich()).cached_tensors("training", {}, make)["loras"] == 2


def test_cached_tensors_are_not_computed_again_and_are_a_stage(stocked: Toy) -> None:
    made: list[int] = []

    def make(report: Any) -> dict[str, torch.Tensor]:
        made.append(1)
        report(1, 1)
        return {"weight": torch.arange(3.0)}

    benches = [stocked.bench(Rich()) for _ in range(2)]
    actual = [bench.cached_tensors("training", {"steps": 2}, make)["weight"].tolist() for bench in benches]
    assert (actual, len(made)) == ([[0.0, 1.0, 2.0]] * 2, 1)
    assert [[(s.stage, s.cached) for s in bench.stages] for bench in benches] == [
        [("training", False)],
        [("training", True)],
    ]


def test_a_part_of_a_pool_is_named_by_its_data_set(stocked: Toy) -> None:
    bench = stocked.bench(Rich())
    backbone = bench._context.backbone(bench.cell.spec.backbone)
    with pytest.raises(PoolError, match=r"has no LoRA that was tuned on 'cars'\. Choose 'toy' itself\."):
        bench._context.pool("toy/cars", backbone)
