"""Parts shared by tuned rows: stacked steps, heads, augmented copies and the grid search."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.baselines.conftest import WAY, streams
from torch import Tensor
from torch.nn import Parameter

from freeshot import ValidationEpisode
from freeshot.contracts.tensors import Shots
from freeshot.ops.prototypes import prototype_logits
from freeshot_baselines.adaptation.augmentation import augmented, shifted
from freeshot_baselines.adaptation.batched_adam import adam
from freeshot_baselines.adaptation.grid_search import Setting, mean_accuracies
from freeshot_baselines.adaptation.heads import (
    cosine_logits,
    episode_losses,
    initial_head,
    labels_of,
    leave_one_out,
    nearest_mean,
)

RNG = torch.Generator().manual_seed(3)
FEATURES = torch.randn(4, 2 * WAY, 5, generator=RNG, dtype=torch.float64)
QUERIES = torch.randn(4, 7, 5, generator=RNG, dtype=torch.float64)
LABELS = torch.arange(WAY).repeat_interleave(2)


def test_stacked_steps_are_the_steps_of_each_problem_alone() -> None:
    targets = torch.randn(3, 4, generator=RNG, dtype=torch.float64)

    def solved(wanted: Tensor) -> Tensor:
        weight = Parameter(torch.ones_like(wanted))
        list(adam([weight], 0.1, (7,), lambda: (weight - wanted).square().sum(1)))
        return weight.detach()

    alone = torch.cat([solved(row.unsqueeze(0)) for row in targets])
    assert torch.allclose(solved(targets), alone, atol=1e-12)


def test_adam_yields_at_each_given_number_of_steps_in_order() -> None:
    weight = Parameter(torch.zeros(1))
    assert list(adam([weight], 0.1, (0, 2, 5), lambda: (weight - 1) ** 2)) == [0, 2, 5]
    assert list(adam([weight], 0.1, (0,), lambda: weight)) == [0]


def test_the_loss_of_an_episode_is_its_mean_cross_entropy() -> None:
    logits = torch.randn(4, 2 * WAY, WAY, generator=RNG, dtype=torch.float64)
    slow = [torch.stack([-row.log_softmax(0)[y] for row, y in zip(e, LABELS, strict=True)]).mean() for e in logits]
    assert torch.allclose(episode_losses(logits, labels_of(logits, WAY)), torch.stack(slow), atol=1e-12)


def test_stacked_heads_start_like_those_of_one_episode() -> None:
    for start in ("zero", "prototype"):
        weight, bias = initial_head(FEATURES, LABELS.expand(4, -1), WAY, start)
        for index, features in enumerate(FEATURES):
            w, b = initial_head(features, LABELS, WAY, start)
            assert torch.allclose(weight[index], w, atol=1e-12)
            assert torch.allclose(bias[index], b, atol=1e-12)


def test_leaving_one_out_makes_class_means_without_it() -> None:
    actual = leave_one_out(FEATURES, WAY)
    for e, features in enumerate(FEATURES):
        for n in range(2 * WAY):
            others = [m for m in range(2 * WAY) if m != n]
            slow = prototype_logits(features[n : n + 1], features[others], LABELS[others], WAY, distance="euclidean")
            assert torch.allclose(actual[e, n], slow[0], atol=1e-9)


def test_the_nearest_mean_and_the_cosine_are_those_of_each_episode() -> None:
    near, cosine = nearest_mean(QUERIES, FEATURES, WAY), cosine_logits(QUERIES, FEATURES, WAY, 10.0)
    for e in range(4):
        means = torch.stack([FEATURES[e, c == LABELS].mean(0) for c in range(WAY)])
        for n, query in enumerate(QUERIES[e]):
            for c in range(WAY):
                assert near[e, n, c].item() == pytest.approx(-float((query - means[c]).norm()), abs=1e-9)
                angle = float(query @ means[c] / query.norm() / means[c].norm())
                assert cosine[e, n, c].item() == pytest.approx(10 * angle, abs=1e-9)


IMAGES = torch.rand(2, 5, 3, 16, 16, generator=RNG, dtype=torch.float64)


def test_copies_are_other_images_in_range_and_the_same_for_the_same_stream() -> None:
    first, again, other = (augmented(IMAGES, streams(2, seed)) for seed in (0, 0, 7))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert 0 <= float(first.min()) <= float(first.max()) <= 1
    assert torch.equal(augmented(IMAGES, streams(2), probability=0), IMAGES)


def test_the_copies_of_an_episode_do_not_depend_on_its_neighbours() -> None:
    assert torch.equal(augmented(IMAGES, streams(2))[1:], augmented(IMAGES[1:], streams(1, 1)))


def test_a_shift_moves_by_whole_pixels_and_continues_the_edge() -> None:
    zeros = torch.zeros(2, 5)
    down = shifted(IMAGES, zeros + 0.999, zeros + 0.5)  # two pixels of 16 down, none to the right
    assert torch.equal(down[..., 2:, :], IMAGES[..., :-2, :])
    assert torch.equal(down[..., 0, :], IMAGES[..., 0, :])
    left = shifted(IMAGES, zeros + 0.5, zeros)
    assert torch.equal(left[..., :-2], IMAGES[..., 2:])


def test_a_grid_is_scored_alike_in_groups_of_any_size() -> None:
    pictures = torch.rand(5, 8, 3, 2, 2, generator=RNG)
    trials = [
        ValidationEpisode(Shots(p[:4], torch.tensor([0, 0, 1, 1])), Shots(p[4:], torch.tensor([0, 0, 1, 1])), 2)
        for p in pictures
    ]

    def tune(support: Tensor, way: int, rngs: object) -> list[tuple[Setting, object]]:
        means = support.flatten(2).view(len(support), way, 2, -1).mean(2)
        return [(Setting(lr, 1, "zero"), lambda x, lr=lr: (x.flatten(2) - lr) @ means.mT) for lr in (0.0, 0.5)]

    candidates: list[Any] = [SimpleNamespace(episodes_per_batch=size, tune=tune) for size in (1, 2, 5)]
    actual = [mean_accuracies(trials, candidate, lambda index: RNG) for candidate in candidates]
    assert actual[0] == pytest.approx(actual[1])
    assert actual[0] == pytest.approx(actual[2])
    assert list(map(str, actual[0])) == ["lr 0, 1 steps, zero head", "lr 0.5, 1 steps, zero head"]
