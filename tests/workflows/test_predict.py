"""Predictions equal those of the slow and obvious way, and have calibrated probabilities or scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from tests.pictures import noise_pictures
from torch import Tensor

from freeshot.contracts.method import Learner
from freeshot.data.image_folder import open_classes, open_queries
from freeshot.data.images import FileImages
from freeshot.workflows.predict import ALONE, LIMITS, predict

if TYPE_CHECKING:
    from freeshot.evaluation.picture_predictions import PicturePredictions

CPU = torch.device("cpu")
WAY, SHOT = 3, 4


class MeanColours(Learner):
    """Embeds an image as its mean colours of four quarters, and counts the images of each pass."""

    def __init__(self) -> None:
        self.passes: list[int] = []

    def embed(self, images: Tensor) -> Tensor:
        self.passes.append(len(images))
        return 100 * torch.nn.functional.adaptive_avg_pool2d(images, 2).flatten(1)


@pytest.fixture
def support(tmp_path: Path) -> FileImages:
    return open_classes(noise_pictures(tmp_path / "support", WAY, SHOT), 4)


@pytest.fixture
def query(tmp_path: Path, support: FileImages) -> FileImages:
    """Return two images of each class, and one outside of the class folders."""
    folder = noise_pictures(tmp_path / "query", WAY, 2)
    (folder / "kind-0" / "0.png").rename(folder / "loose.png")
    return open_queries(folder, 4, support.classes)


def features(images: FileImages) -> np.ndarray:
    return MeanColours().embed(images.read(range(len(images))).float() / 255).double().numpy()


def classify(support: FileImages, query: FileImages, **options: object) -> PicturePredictions:
    return predict(MeanColours(), support, query, CPU, **options)  # type: ignore[arg-type]


def test_probabilities_are_a_softmax_of_distances_over_the_temperature(support: FileImages, query: FileImages) -> None:
    predictions = classify(support, query)
    assert predictions.temperature is not None
    means = [features(support)[support.labels == label].mean(0) for label in range(WAY)]
    for prediction, feature in zip(predictions, features(query), strict=True):
        scores = [np.exp(-np.linalg.norm(feature - mean) / predictions.temperature) for mean in means]
        assert list(prediction.confidences.values()) == pytest.approx([s / sum(scores) for s in scores], abs=1e-4)
        assert prediction.label == support.classes[int(np.argmax(scores))]
        assert prediction.confidence == max(prediction.confidences.values())


def test_the_temperature_has_the_highest_likelihood_of_left_out_support_images(
    support: FileImages, query: FileImages
) -> None:
    all_features, labels = features(support), support.labels

    def loss(temperature: float) -> float:
        total = 0.0
        for i, feature in enumerate(all_features):
            others = np.arange(len(all_features)) != i
            means = [all_features[others & (labels == label)].mean(0) for label in range(WAY)]
            logits = [-np.linalg.norm(feature - mean) / temperature for mean in means]
            total += float(np.logaddexp.reduce(logits) - logits[labels[i]])
        return total

    temperature = classify(support, query).temperature
    assert temperature is not None
    assert loss(temperature) <= min(map(loss, np.geomspace(temperature / 30, temperature * 30, 500))) + 1e-4


def test_the_nearest_support_images_are_named(support: FileImages, query: FileImages) -> None:
    for prediction, feature in zip(classify(support, query), features(query), strict=True):
        distances = np.linalg.norm(features(support) - feature, axis=1)
        order = np.argsort(distances)[:3]
        assert [near.file for near in prediction.nearest] == [support.files[i] for i in order]
        assert [near.distance for near in prediction.nearest] == pytest.approx(distances[order].tolist(), abs=1e-3)
        assert all(near.file.parent.name == near.label for near in prediction.nearest)


def test_accuracy_and_confusions_count_images_with_a_true_class(support: FileImages, query: FileImages) -> None:
    predictions = classify(support, query)
    truths = [None if p.file.parent.name == "query" else p.file.parent.name for p in predictions]
    assert [p.truth for p in predictions] == truths
    right = [p.label == truth for p, truth in zip(predictions, truths, strict=True) if truth]
    assert predictions.accuracy is not None
    assert predictions.accuracy.mean == pytest.approx(sum(right) / 5)
    assert (predictions.confusion.sum(1).tolist(), predictions.confusion.trace()) == ([1, 2, 2], sum(right))


def test_images_of_other_classes_have_no_true_class(support: FileImages, query: FileImages) -> None:
    predictions = classify(support, replace(query, classes=("a", "b", "c")))
    assert predictions.accuracy is None
    assert not predictions.judged


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([0, 4, 8], ALONE),
        ([0, 0, 4, 4], LIMITS[0.0]),
        ([0, 4, 0, 4], LIMITS[float("inf")]),
    ],
    ids=["one of each class", "far apart", "mixed"],
)
def test_without_a_temperature_there_are_scores(
    support: FileImages, query: FileImages, files: list[int], reason: str
) -> None:
    labels = np.array([0, 1, 2] if len(files) == 3 else [0, 0, 1, 1])
    few = replace(support, files=tuple(support.files[i] for i in files), labels=labels)
    few = replace(few, classes=support.classes[: labels.max() + 1])
    predictions = classify(few, query)
    assert (predictions.temperature, predictions.uncalibrated, predictions.measure) == (None, reason, "score")
    assert all(sum(p.confidences.values()) == pytest.approx(1) for p in predictions)


def test_a_pass_embeds_one_batch(support: FileImages, query: FileImages) -> None:
    learner, done = MeanColours(), []
    predict(learner, support, query, CPU, batch=5, on_step=lambda *step: done.append(step))
    assert learner.passes == [5, 5, 2, 5, 1]
    assert done == [(5, 18), (10, 18), (12, 18), (17, 18), (18, 18)]


def test_a_skipped_image_changes_nothing_but_its_class_mean(support: FileImages, query: FileImages) -> None:
    support.files[1].write_bytes(b"")
    query.files[0].write_bytes(b"")
    predictions = classify(support, query)
    assert [sentence.split(" ")[0] for sentence in predictions.skipped] == [str(support.files[1]), str(query.files[0])]
    kept = [0, *range(2, len(support))]
    less = replace(support, files=tuple(support.files[i] for i in kept), labels=support.labels[kept])
    rest = replace(query, files=query.files[1:], labels=query.labels[1:])
    assert predictions.predictions == classify(less, rest).predictions
