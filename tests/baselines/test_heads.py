"""Heads on features: each equals its rule, written out slowly for one query after the other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from freeshot.contracts.method import Learner
from freeshot_baselines.frozen_prototype import PrototypeLearner
from freeshot_baselines.heads.linear_probe import ProbeLearner, logistic_regression
from freeshot_baselines.heads.nearest_neighbours import KnnLearner, RtdLearner

if TYPE_CHECKING:
    from tests.conftest import Toy
    from torch import Tensor

RNG = torch.Generator().manual_seed(0)
SUPPORT = torch.randn(4, 6, 8, generator=RNG, dtype=torch.float64)
"""4 episodes, 3 classes with 2 images each."""
QUERY = torch.randn(4, 7, 8, generator=RNG, dtype=torch.float64)
PAIRS = [(e, q) for e in range(4) for q in range(7)]


class Plain(Learner):
    """Features that are the images."""

    def embed(self, images: Tensor) -> Tensor:
        return images


def distance(a: Tensor, b: Tensor, metric: str = "euclidean") -> float:
    if metric == "cosine":
        a, b = a / a.norm(), b / b.norm()
    return float((a - b).norm())


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_prototypes_score_by_the_distance_to_class_means(metric: str, temperature: float) -> None:
    scores = PrototypeLearner(Plain(), metric, temperature).classify(SUPPORT, QUERY, 3)  # type: ignore[arg-type]
    for e, q in PAIRS:
        for c in range(3):
            mean = (SUPPORT[e, 2 * c] + SUPPORT[e, 2 * c + 1]) / 2
            near = (
                QUERY[e, q] @ mean / (QUERY[e, q].norm() * mean.norm())
                if metric == "cosine"
                else -(QUERY[e, q] - mean).norm()
            )
            assert float(scores[e, q, c]) == pytest.approx(float(near) / temperature, abs=1e-9)


def test_a_temperature_changes_calibration_and_no_prediction(toy: Toy) -> None:
    plain, sharp = (toy.record("frozen-prototype", options=options) for options in ((), ("temperature=0.1",)))
    assert sharp.accuracies == plain.accuracies
    assert plain.quality is not None
    assert sharp.quality is not None
    assert sharp.quality.ece != plain.quality.ece
    assert sharp.cell != plain.cell


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_knn_counts_the_votes_of_the_nearest(metric: str) -> None:
    scores = KnnLearner(Plain(), 2, metric).classify(SUPPORT, QUERY, 3)
    for e, q in PAIRS:
        ranked = sorted((distance(QUERY[e, q], SUPPORT[e, n], metric), n // 2) for n in range(6))
        votes = [sum(label == c for _, label in ranked[:2]) for c in range(3)]
        most = [c for c in range(3) if votes[c] == max(votes)]
        expected = min(most, key=lambda c: min(d for d, label in ranked if label == c))
        assert int(scores[e, q].argmax()) == expected


def test_with_one_shot_knn_is_the_nearest_image() -> None:
    scores = KnnLearner(Plain(), 5, "euclidean").classify(SUPPORT[:, ::2], QUERY, 3)
    for e, q in PAIRS:
        assert int(scores[e, q].argmax()) == min(range(3), key=lambda c: distance(QUERY[e, q], SUPPORT[e, 2 * c]))


@pytest.mark.parametrize("slices", [1, 2])
def test_rtd_weighs_by_distance_in_each_slice(slices: int) -> None:
    scores = RtdLearner(Plain(), 4, 0.3, slices).classify(SUPPORT, QUERY, 3)
    for e in range(4):
        shares = np.zeros((7, 3))
        for part in range(slices):
            cut = slice(part * 8 // slices, (part + 1) * 8 // slices)
            table = [[distance(QUERY[e, q, cut], SUPPORT[e, n, cut]) for n in range(6)] for q in range(7)]
            others = [distance(SUPPORT[e, n, cut], SUPPORT[e, m, cut]) for n in range(6) for m in range(6) if n != m]
            scale = 0.3 * np.mean(others)
            for q, row in enumerate(table):
                nearest = sorted(range(6), key=lambda n: row[n])[:4]
                weights = [math.exp(-row[n] / scale) for n in nearest]
                for n, weight in zip(nearest, weights, strict=True):
                    shares[q, n // 2] += weight / sum(weights) / slices
        assert scores[e].exp().numpy() == pytest.approx(shares, abs=1e-9)


def test_rtd_scores_a_query_independently_of_other_queries() -> None:
    head = RtdLearner(Plain(), 4, 0.3, 2)
    alone = torch.cat([head.classify(SUPPORT, QUERY[:, q : q + 1], 3) for q in range(7)], dim=1)
    assert torch.allclose(head.classify(SUPPORT, QUERY, 3), alone, rtol=0, atol=1e-9)


@pytest.mark.parametrize("c", [0.1, 10.0])
def test_logistic_regression_is_that_of_scikit_learn(c: float) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    labels = torch.arange(3).repeat_interleave(2)
    weight, bias = logistic_regression(SUPPORT, labels, 3, c)
    for e in range(4):
        reference = linear.LogisticRegression(C=c, tol=1e-10, max_iter=10_000).fit(SUPPORT[e].numpy(), labels.numpy())
        expected = reference.predict_proba(QUERY[e].numpy())
        actual = (QUERY[e] @ weight[e].T + bias[e]).softmax(-1).numpy()
        assert actual == pytest.approx(expected, abs=1e-4)


def test_problems_solved_together_are_solved_as_if_alone() -> None:
    labels = torch.arange(3).repeat_interleave(2)
    together, _ = logistic_regression(SUPPORT, labels, 3, 1.0)
    alone = torch.cat([logistic_regression(SUPPORT[e : e + 1], labels, 3, 1.0)[0] for e in range(4)])
    assert torch.allclose(together, alone, atol=1e-4)


def test_a_probe_of_features_made_without_gradients_can_be_fitted() -> None:
    with torch.inference_mode():
        scores = ProbeLearner(Plain(), 1.0).classify(SUPPORT * 1, QUERY * 1, 3)
    assert scores.shape == (4, 7, 3)


@pytest.mark.parametrize(
    ("method", "tuning_free", "data_free"),
    [("knn", True, "strict"), ("rtd", True, "strict"), ("linear-probe", False, "real data")],
)
def test_tags_of_heads_match_what_they_do(toy: Toy, method: str, tuning_free: bool, data_free: str) -> None:
    record = toy.record(method)
    assert (record.status, record.tags.tuning_free, record.tags.data_free) == ("ok", tuning_free, data_free)


def test_the_penalty_is_chosen_on_validation_tasks(toy: Toy) -> None:
    facts = toy.record("linear-probe").stages[0].facts
    accuracies = facts["validation_accuracy"]
    assert accuracies[f"C {facts['c']:g}"] == max(accuracies.values())
