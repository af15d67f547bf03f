"""The references of the benches compute the same as our code; otherwise their ratios would mean nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.performance.bench_episodes import Evaluation
from tests.performance.bench_episodes import require_equal as require_equal_accuracies
from tests.performance.bench_recycle import Work, evaluate_own, evaluate_published, invert_own, train_own
from tests.performance.bench_recycle import require_equal as require_equal_losses
from tests.performance.easyfsl_loop import FeaturesDataset, TaskSampler
from tests.performance.published_recycle import PublishedNetwork
from tests.performance.setting import pocket

from freeshot.contracts.tensors import SurrogateSet
from freeshot.engine import AdaptedLearner
from freeshot_vision.pocket.datasets import Icons


@pytest.mark.parametrize("shot", [1, 5])
def test_easyfsl_and_the_naive_loop_give_our_accuracies(shot: int) -> None:
    learner, images = AdaptedLearner(pocket().backbone), Icons().load("novel", Path())
    require_equal_accuracies(Evaluation.of(learner, images, shot, 4), count=4, naive=1)


def test_easyfsls_tasks_are_of_different_images_of_the_same_classes() -> None:
    dataset = FeaturesDataset(torch.zeros(40, 2), [number // 8 for number in range(40)])
    for task in TaskSampler(dataset, way=3, shot=2, query=4, tasks=5):
        assert len(set(task)) == 3 * (2 + 4)
        assert [*Counter(dataset.labels[index] for index in task).values()] == [6, 6, 6]


@pytest.fixture(scope="module")
def work() -> Work:
    return Work(loras=2, steps=1, tasks=1, episodes=2)


@pytest.fixture(scope="module")
def surrogates(work: Work) -> Sequence[SurrogateSet]:
    return invert_own(work)


def test_the_published_losses_and_masks_are_ours(work: Work, surrogates: Sequence[SurrogateSet]) -> None:
    require_equal_losses(work, surrogates)


def test_the_published_evaluation_gives_our_accuracies(work: Work, surrogates: Sequence[SurrogateSet]) -> None:
    adapter = train_own(work, surrogates)
    assert evaluate_published(work, adapter) == pytest.approx(evaluate_own(work, adapter), abs=1e-6)


def test_the_published_pruning_keeps_the_patches_with_the_most_attention(work: Work) -> None:
    network = PublishedNetwork(work.backbone, work.entries[0].factors)
    attention = torch.full((2, 5, 5), 0.2)
    attention[:, 0] = torch.tensor([0.9, 0.1, 0.4, 0.2, 0.3])
    kept = network.highest(attention, 0.5)
    assert np.array_equal(kept, [1, 3])
