"""Parallel meta-LoRAs: clusters of what LoRAs do, and a router that weighs them by how they separate the support."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from freeshot import Learner, LoraEntry, Slot
from freeshot_baselines.rec_lora.clusters import clusters, similarities
from freeshot_baselines.rec_lora.router import RoutedLearner, nearness, spread

if TYPE_CHECKING:
    from tests.conftest import Toy
    from torch import Tensor

Q, V = Slot("blocks.0.attn.qkv", 0, 6), Slot("blocks.0.attn.qkv", 12, 18)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


def entry(seed: int, rank: int = 2, slots: tuple[Slot, ...] = (Q, V)) -> LoraEntry:
    factors = {s: (normal(rank, 5, seed=seed), normal(6, rank, seed=seed + 50)) for s in slots}
    return LoraEntry(f"lora-{seed}", rank, factors, normal(2, 5), normal(2), ("a", "b"), (0, 1))


def flat(lora: LoraEntry) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    parts = [(lora.factors[s][1] @ lora.factors[s][0]) if s in lora.factors else torch.zeros(6, 5) for s in (Q, V)]
    whole: np.ndarray[tuple[int], np.dtype[np.float64]] = torch.cat([p.flatten().double() for p in parts]).numpy()
    return whole


def test_similarities_are_cosines_of_the_products() -> None:
    entries = [entry(0), entry(1, rank=3), entry(2, slots=(Q,))]
    actual = similarities(entries)
    for i, first in enumerate(map(flat, entries)):
        for j, second in enumerate(map(flat, entries)):
            expected = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
            assert float(actual[i, j]) == pytest.approx(expected, abs=1e-12)


def test_similarities_do_not_depend_on_how_factors_are_turned() -> None:
    turn = normal(2, 2, seed=9)
    plain = entry(0)
    turned = LoraEntry(
        "turned",
        2,
        {s: (torch.linalg.inv(turn) @ a, b @ turn) for s, (a, b) in plain.factors.items()},
        plain.head_weight,
        plain.head_bias,
        plain.classes,
        plain.class_ids,
    )
    assert float(similarities([plain, turned])[0, 1]) == pytest.approx(1, abs=1e-12)


def test_blocks_of_similar_loras_are_found_in_the_order_of_their_first_members() -> None:
    groups = [[0, 3, 4], [1, 5], [2, 6, 7]]
    similarity = torch.eye(8, dtype=torch.float64) + 0.02
    for group in groups:
        for i in group:
            similarity[i, group] += 0.6
    similarity.fill_diagonal_(1)
    assert clusters(similarity, 3) == groups


def test_every_lora_is_in_one_cluster_and_none_is_empty() -> None:
    similarity = similarities([entry(seed) for seed in range(9)])
    for count in (1, 2, 4, 9, 20):
        actual = clusters(similarity, count)
        assert sorted(index for members in actual for index in members) == list(range(9))
        assert len(actual) <= count
        assert all(actual)


# --- the router ---------------------------------------------------------------------------------


def obvious_nearness(support: Tensor, mirrored: Tensor, shot: int) -> float:
    """Leave each image out of its class mean, one after the other."""
    way = len(support) // shot
    ratios = []
    for index in range(len(support)):
        own = index // shot
        mates = [support[i] for i in range(own * shot, (own + 1) * shot) if i != index]
        query = support[index] if mates else mirrored[index]
        centre = torch.stack(mates).mean(0) if mates else support[index]
        others = [support[c * shot : (c + 1) * shot].mean(0) for c in range(way) if c != own]
        far = sum(float((query - other).norm()) for other in others) / (way - 1)
        ratios.append(float((query - centre).norm()) / far)
    return sum(ratios) / len(ratios)


@pytest.mark.parametrize("shot", [1, 3])
def test_nearness_leaves_each_image_out_of_its_class(shot: int) -> None:
    support, mirrored = normal(4, 3 * shot, 5, seed=1), normal(4, 3 * shot, 5, seed=2)
    labels = torch.arange(3).repeat_interleave(shot)
    actual = nearness(support, mirrored, labels, 3)
    for e in range(4):
        assert float(actual[e]) == pytest.approx(obvious_nearness(support[e], mirrored[e], shot), abs=1e-12)


def test_spread_is_the_mean_squared_distance_of_pairs() -> None:
    support = normal(2, 6, 5)
    for e in range(2):
        pairs = [float((support[e, i] - support[e, j]).square().sum()) for i in range(6) for j in range(6) if i != j]
        assert float(spread(support)[e]) == pytest.approx(sum(pairs) / len(pairs), abs=1e-12)


class LinearFeatures(Learner):
    """Features that are pixels times a matrix."""

    def __init__(self, matrix: Tensor) -> None:
        self.matrix = matrix

    def embed(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.matrix


IMAGES = torch.rand(26, 3, 1, 2, generator=rng(4), dtype=torch.float64)


def episode(learner: Learner, way: int = 2) -> tuple[Tensor, Tensor]:
    features = learner.embed(IMAGES)
    return features[:12].reshape(2, 6, -1), features[12:].reshape(2, 7, -1)


def test_one_learner_alone_is_its_own_nearest_class_mean() -> None:
    only = RoutedLearner([LinearFeatures(normal(6, 4))], 0.1)
    actual = only.classify(*episode(only), 2)
    plain = LinearFeatures(normal(6, 4))
    support, query = episode(plain)
    assert torch.allclose(actual, plain.classify(support, query, 2), atol=1e-6)


def test_scores_are_distances_in_the_weighted_concatenation() -> None:
    learner = RoutedLearner([LinearFeatures(normal(6, 4, seed=1)), LinearFeatures(100 * normal(6, 4, seed=2))], 0.3)
    support, query = episode(learner)
    actual = learner.classify(support, query, 2)
    labels = torch.arange(2).repeat_interleave(3)
    for e in range(2):
        parts = [(support[e][:, k * 8 : k * 8 + 8], query[e][:, k * 8 : k * 8 + 4]) for k in range(2)]
        loose = [float(nearness(s[None, :, :4], s[None, :, 4:], labels, 2)) for s, _ in parts]
        share = np.exp(-np.array(loose) / 0.3) / np.exp(-np.array(loose) / 0.3).sum()
        scale = [float(spread(s[None, :, :4])) for s, _ in parts]
        usual = (share * np.array(scale)).sum()
        whole_s = torch.cat([s[:, :4] * (w / c) ** 0.5 for (s, _), w, c in zip(parts, share, scale, strict=True)], 1)
        whole_q = torch.cat([q * (w / c) ** 0.5 for (_, q), w, c in zip(parts, share, scale, strict=True)], 1)
        means = whole_s.reshape(2, 3, -1).mean(1)
        assert torch.allclose(actual[e], -torch.cdist(whole_q, means) * usual**0.5, atol=1e-8)


def test_the_learner_that_separates_the_support_gets_the_weight() -> None:
    good = torch.zeros(6, 4, dtype=torch.float64)
    good[0] = 5.0
    learner = RoutedLearner([LinearFeatures(normal(6, 4) / 10), LinearFeatures(good)], 0.05)
    images = torch.rand(6, 3, 1, 2, generator=rng(), dtype=torch.float64)
    images[:3, 0], images[3:, 0] = 0.0, 1.0
    support = learner._split(learner.embed(images)[None])
    weights = learner.weights(support, torch.arange(2).repeat_interleave(3), 2)
    assert float(weights.sum()) == pytest.approx(1)
    assert float(weights[1, 0]) > 0.9


def test_rec_lora_is_data_free_and_tuning_free(toy: Toy) -> None:
    options = ("inversion=gaussian-noise", "learner.iterations=2", "per_class=5", "clusters=2")
    record = toy.record("rec-lora", options=options)
    assert (record.status, record.tags.data_free, record.tags.tuning_free) == ("ok", "strict", True)
    assert [stage.stage for stage in record.stages].count("meta-learning") == 2
