"""An adapter, a backbone or a function is evaluated like a method, without a record."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from freeshot.basics.errors import ContractError, DataError, EpisodeError, OptionError, PoolError
from freeshot.engine.lora.adapted_learner import AdaptedLearner
from freeshot.pipeline.context import RunContext
from freeshot.pipeline.workbench import Bench, adapter_left
from freeshot.pool.adapter_folder import export_adapter
from freeshot.stats.intervals import student_t
from freeshot.testing.toy import POOL, ToyImages
from freeshot.workflows.evaluate import EvaluateRequest, evaluate, plan_evaluation
from freeshot.workflows.own_pictures import TaskSizes, open_picture_tasks

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Toy

    from freeshot.contracts.tensors import Adapter
    from freeshot.engine.vit.backbone import Backbone
    from freeshot.workflows.evaluation_report import EvaluationReport

TRACKS = ("toy/in-domain/2w1s", "toy/in-domain/2w2s")
WIDE = ("learner.iterations=30", "learner.lr=0.1")
"""Training that changes decisions."""


@pytest.fixture
def evaluated(toy: Toy) -> Any:
    """Return a function that evaluates a target in the toy world."""

    def run(target: Any = None, **changes: Any) -> EvaluationReport:
        folders = {"results": toy.results, "cache": toy.cache, "data": toy.folder / "data"}
        request = EvaluateRequest(**{"target": target, **folders, **({} if "images" in changes else {"suite": "toy"})})
        return evaluate(replace(request, **changes), toy.catalogue)

    return run


def trained(toy: Toy) -> Adapter:
    """Return the adapter of LoRA Recycle's cell."""
    (cell,) = toy.plan("lora-recycle", options=WIDE).cells
    context = RunContext(toy.catalogue, toy.cache, toy.folder / "data", torch.device("cpu"))
    method = context.component(cell.spec.method)
    adapter = adapter_left(method, method.prepare(Bench(context, cell, method)))
    assert adapter is not None
    return adapter


def save_pictures(folder: Path, classes: int = 3, each: int = 6, side: int = 40) -> Path:
    """Save toy images as files, one folder per class."""
    images = ToyImages(tuple(range(12 - classes, 12)))
    for label, name in enumerate(images.classes):
        for number in range(each):
            path = folder / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = images.read([20 * label + number])[0].permute(1, 2, 0).numpy()
            Image.fromarray(pixels).resize((side, side)).save(path)
    return folder


def test_an_adapter_scores_as_its_method_did(toy: Toy, backbone: Backbone, evaluated: Any) -> None:
    record = toy.record("lora-recycle", options=WIDE)
    export_adapter(toy.folder / "meta", trained(toy), backbone, {"pool": "toy"})
    report = evaluated(toy.folder / "meta", tracks=TRACKS[:1])
    assert list(report.scores[0].accuracies) == record.accuracies
    assert (report.name, report.kind, report.facts) == ("meta", "adapter", {"pool": "toy"})
    (row,) = report.standing.others
    assert (row.label, row.difference) == ("lora-recycle", 0)


def test_a_backbone_alone_scores_as_the_frozen_prototype(toy: Toy, evaluated: Any) -> None:
    records = [toy.record("frozen-prototype", track=track) for track in TRACKS]
    report = evaluated(backbone="toy-vit")
    assert [list(score.accuracies) for score in report.scores] == [record.accuracies for record in records]
    assert report.standing.reference.difference == 0
    assert report.mean == pytest.approx(np.mean([record.accuracies for record in records]))


def test_a_function_scores_as_the_network_it_calls(backbone: Backbone, evaluated: Any) -> None:
    def embed(images: torch.Tensor) -> torch.Tensor:
        assert images.shape[1:] == (3, 16, 16)
        assert images.min() >= 0
        assert images.max() <= 1
        return AdaptedLearner(backbone).embed(images)

    report, alone = evaluated(embed), evaluated(backbone="toy-vit")
    assert [score.accuracies for score in report.scores] == [score.accuracies for score in alone.scores]
    assert (report.name, report.kind, report.backbone) == ("embed", "embedding", "")


def test_a_function_is_compared_with_the_rows_on_the_tracks_own_backbone(
    toy: Toy, backbone: Backbone, evaluated: Any
) -> None:
    toy.record("frozen-prototype")
    report = evaluated(AdaptedLearner(backbone).embed, tracks=TRACKS[:1])
    assert [row.label for row in report.standing.others] == ["frozen-prototype"]


def test_rows_on_another_backbone_are_not_compared(toy: Toy, evaluated: Any) -> None:
    toy.record("frozen-prototype")
    other = "timm:model=vit_tiny_patch16_224,weights=random,side=16,patch=4,depth=2,width=24,heads=2"
    report = evaluated(backbone=other, tracks=TRACKS[:1])
    assert report.standing.others == ()
    assert report.standing.not_paired == {"on another backbone": 1}


def test_an_adapter_in_memory_needs_its_backbone(toy: Toy, evaluated: Any) -> None:
    adapter = trained(toy)
    with pytest.raises(OptionError, match="set --backbone"):
        evaluated(adapter)
    assert evaluated(adapter, backbone="toy-vit").kind == "adapter"


def test_a_plain_peft_adapter_scores_as_an_adapter_with_a_card(toy: Toy, backbone: Backbone, evaluated: Any) -> None:
    export_adapter(toy.folder / "meta", trained(toy), backbone, {})
    with_card = evaluated(toy.folder / "meta")
    (toy.folder / "meta" / "freeshot.json").unlink()
    plain = evaluated(toy.folder / "meta")
    assert [score.accuracies for score in plain.scores] == [score.accuracies for score in with_card.scores]


def test_a_lora_of_a_pool_is_an_adapter(evaluated: Any) -> None:
    assert evaluated(POOL / "lora-000").name == "lora-000"


def test_a_lora_of_another_network_is_refused(toy: Toy, evaluated: Any) -> None:
    shutil.copytree(POOL, toy.folder / "pool")
    card = toy.folder / "pool" / "pool.json"
    card.write_text(card.read_text().replace("376bf536", "00000000"))
    with pytest.raises(PoolError, match="was tuned on a network with the hash 00000000…, but toy-vit has 376bf536…"):
        evaluated(toy.folder / "pool" / "lora-000")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda images: images.flatten(1).tolist(), "must return a tensor"),
        (lambda images: images, r"must embed \[b, 3, h, w\] as \[b, d\]"),
        (lambda images: images.flatten(1)[:1], r"must embed \[b, 3, h, w\] as \[b, d\]"),
        (lambda images: images.flatten(1) * float("nan"), "not all finite"),
        (lambda images: torch.zeros(len(images), 4), "gives all classes the same score"),
    ],
)
def test_a_function_with_invalid_features_is_refused(evaluated: Any, wrong: Any, sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        evaluated(wrong)


def test_a_function_needs_no_backbone(evaluated: Any) -> None:
    with pytest.raises(OptionError, match="Leave out the backbone"):
        evaluated(torch.flatten, backbone="toy-vit")


def test_images_of_a_fixed_size_cannot_be_resized(evaluated: Any) -> None:
    with pytest.raises(DataError, match="'toy-waves' gives images of 16 px"):
        evaluated(lambda images: images.flatten(1), image_size=32)


def test_tracks_without_a_suite_are_compared_with_the_first_suite_that_has_them(toy: Toy) -> None:
    request = EvaluateRequest(backbone="toy-vit", tracks=("toy/in-domain/2w1s",), cache=toy.cache)
    assert plan_evaluation(request, toy.catalogue).suite == "toy"
    request = replace(request, tracks=("poisoned/toy/2w1s",))
    assert plan_evaluation(request, toy.catalogue).suite == "custom"


def test_own_pictures_are_scored_with_and_without_the_adapter(toy: Toy, backbone: Backbone, evaluated: Any) -> None:
    adapter, pictures = trained(toy), save_pictures(toy.folder / "pictures")
    report = evaluated(adapter, backbone="toy-vit", images=pictures, sizes=TaskSizes(episodes=50))
    (score,) = report.scores
    assert (score.way, score.shot, score.query, len(score.accuracies)) == (3, 1, 5, 50)
    tasks = open_picture_tasks(pictures, 16, TaskSizes(episodes=50), toy.cache)
    for learner, accuracies in (
        (AdaptedLearner(backbone, adapter), score.accuracies),
        (AdaptedLearner(backbone), score.baseline),
    ):
        expected = [slow_accuracy(learner, tasks.images, episode, 3) for episode in tasks.episodes]
        assert list(accuracies) == pytest.approx(expected)
    assert score.gain.mean == pytest.approx(np.mean(score.accuracies) - np.mean(score.baseline))
    assert score.interval == student_t(score.accuracies)
    assert [interval.covers for interval in score.wider] == ["episodes and images"]
    assert report.standing is None


def slow_accuracy(learner: AdaptedLearner, images: Any, episode: Any, way: int) -> float:
    """Classify each query by the nearest class mean, one after the other, in float64."""
    with torch.no_grad():
        support, query = (
            learner.embed(images.read(list(part)).float() / 255).double() for part in (episode.support, episode.query)
        )
    means = support.view(way, -1, support.shape[1]).mean(1)
    right = [int(((means - q).norm(dim=1)).argmin()) == i // (len(query) // way) for i, q in enumerate(query)]
    return float(np.mean(right))


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        (TaskSizes(way=4), "has 3 classes, which is too few for 4-way tasks. Set --way to 2…3."),
        (TaskSizes(query=6), "has 6 pictures, but tasks need 7 of every class: 1 shot . 6 query. Set --query to at"),
        (TaskSizes(shot=6), "has 6 pictures, but tasks need 7 of every class: 6 shot . 1 query. Lower --shot"),
        (TaskSizes(shot=9), "has 6 pictures, but tasks need 10 of every class: 9 shot . 1 query. Lower --shot"),
    ],
)
def test_tasks_that_need_more_pictures_are_refused(tmp_path: Path, sizes: TaskSizes, sentence: str) -> None:
    pictures = save_pictures(tmp_path / "pictures")
    with pytest.raises(EpisodeError, match=sentence):
        open_picture_tasks(pictures, 16, sizes, tmp_path / "cache")


def test_the_same_seed_draws_the_same_tasks(tmp_path: Path) -> None:
    pictures = save_pictures(tmp_path / "pictures")
    first, second, other = (
        open_picture_tasks(pictures, 16, TaskSizes(seed=seed), tmp_path).episodes for seed in (0, 0, 1)
    )
    assert first == second
    assert first != other


def test_pictures_for_a_function_need_a_size(tmp_path: Path, evaluated: Any) -> None:
    pictures = save_pictures(tmp_path / "pictures")
    with pytest.raises(OptionError, match="Set image_size, in pixels"):
        evaluated(lambda images: images.flatten(1), images=pictures)
    report = evaluated(
        lambda images: images.flatten(1), images=pictures, image_size=8, sizes=TaskSizes(episodes=5), name="pixels"
    )
    assert (report.name, report.scores[0].gain) == ("pixels", None)


def test_nothing_is_written_but_the_cache(toy: Toy, evaluated: Any) -> None:
    evaluated(backbone="toy-vit")
    assert {path.name for path in toy.folder.iterdir()} <= {"cache", "site-packages"}


def test_a_report_is_json(toy: Toy, evaluated: Any) -> None:
    toy.record("frozen-prototype")
    report = evaluated(backbone="toy-vit")
    plain = json.loads(json.dumps(report.to_json()))
    assert plain["submitted"] is False
    assert [track["episodes"] for track in plain["tracks"]] == [20, 20]
    assert plain["tracks"][0]["accuracies"] == list(report.scores[0].accuracies)
    assert plain["standing"]["suite"] == "toy"
