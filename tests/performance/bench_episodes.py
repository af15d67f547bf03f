"""Scoring episodes on cached features, against easyfsl's loop and against embedding the images of each episode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tests.performance.easyfsl_loop import FeaturesDataset, TaskSampler, evaluate, loader
from tests.performance.measure import Table, in_turn
from tests.performance.setting import pocket

from freeshot.contracts.dataset import Images
from freeshot.contracts.method import Learner
from freeshot.contracts.tensors import Episode
from freeshot.engine import AdaptedLearner
from freeshot.evaluation.episodes import draw_episodes
from freeshot.evaluation.scoring import Embedded, embed_episodes, read_images, score_episodes
from freeshot_vision.pocket.datasets import Icons

WAY, QUERY = 5, 15
COUNTS = (600, 10_000)
NAIVE = 20
"""Episodes of the naive loop that are timed."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A learner, the images, and episodes of them, with the features of all images that the episodes use."""

    learner: Learner
    images: Images
    shot: int
    episodes: tuple[Episode, ...]
    embedded: Embedded

    @classmethod
    def of(cls, learner: Learner, images: Images, shot: int, count: int) -> Evaluation:
        """Draw episodes and embed their images."""
        episodes = draw_episodes(np.asarray(images.labels), WAY, shot, QUERY, 0, count)
        return cls(learner, images, shot, episodes, embed_episodes(learner, images, episodes, torch.device("cpu")))

    def draw(self, count: int) -> tuple[Episode, ...]:
        """Draw the first episodes again."""
        return draw_episodes(np.asarray(self.images.labels), WAY, self.shot, QUERY, 0, count)

    def score(self, count: int, dtype: torch.dtype = torch.float32) -> list[float]:
        """Return the accuracies of the first episodes."""
        embedded = replace(self.embedded, features=self.embedded.features.to(dtype))
        return score_episodes(embedded, self.episodes[:count]).accuracies

    def easyfsl(self, count: int, dtype: torch.dtype = torch.float32) -> tuple[FeaturesDataset, TaskSampler]:
        """Return easyfsl's data set of the same features, and its sampler of some tasks."""
        features = torch.zeros(len(self.images), self.embedded.features.shape[1], dtype=dtype)
        features[list(self.embedded.images)] = self.embedded.features.to(dtype)
        dataset = FeaturesDataset(features, list(map(int, self.images.labels)))
        return dataset, TaskSampler(dataset, WAY, self.shot, QUERY, count)

    def indices(self, count: int) -> list[list[int]]:
        """Return the first episodes as easyfsl's sampler yields them: class by class, support before queries."""
        return [
            [
                index
                for label in range(WAY)
                for part, each in ((episode.support, self.shot), (episode.query, QUERY))
                for index in part[label * each : (label + 1) * each]
            ]
            for episode in self.episodes[:count]
        ]

    def naive(self, count: int) -> list[float]:
        """Embed support and queries of one episode after the other and return the accuracies."""
        return [self._solve(episode) for episode in self.episodes[:count]]

    def _solve(self, episode: Episode) -> float:
        with torch.inference_mode():
            support, query = (self.learner.embed(read_images(self.images, i)) for i in (episode.support, episode.query))
            nearest = torch.cdist(query, support.view(WAY, self.shot, -1).mean(1)).argmin(1)  # [q]
        return float((nearest == torch.arange(WAY).repeat_interleave(QUERY)).float().mean())


def require_equal(evaluation: Evaluation, count: int = COUNTS[0], naive: int = NAIVE) -> None:
    """Require the same accuracies of the same episodes from all three; those of features in double precision."""
    dataset, sampler = evaluation.easyfsl(count, torch.float64)
    exact = evaluation.score(count, torch.float64)
    assert np.allclose(evaluate(loader(dataset, sampler, evaluation.indices(count))), exact, rtol=0, atol=1e-12)
    queries = np.abs(np.subtract(evaluation.naive(naive), exact[:naive])).sum() * WAY * QUERY
    assert queries < 1.5, "more than one query at the border of two classes"


def bench() -> Table:
    """Score the same episodes of icons in all three ways; easyfsl's and the naive loop are timed on few and scaled."""
    learner, images = AdaptedLearner(pocket().backbone), Icons().load("novel", Path())
    rows: list[tuple[str, ...]] = []
    for shot in (1, 5):
        evaluation = Evaluation.of(learner, images, shot, max(COUNTS))
        require_equal(evaluation)
        dataset, sampler = evaluation.easyfsl(COUNTS[0])
        tasks = loader(dataset, sampler, evaluation.indices(COUNTS[0]))
        ways: dict[str, Callable[[], object]] = {
            **{f"score {count}": partial(evaluation.score, count) for count in COUNTS},
            "draw": partial(evaluation.draw, COUNTS[0]),
            "easyfsl": partial(evaluate, tasks),
            "easyfsl draws": partial(list, sampler),
            "naive": partial(evaluation.naive, NAIVE),
        }
        seconds = in_turn(ways, rounds=3)
        rows += [row(shot, count, seconds) for count in COUNTS]
    note = (
        f"{WAY}-way, {WAY * QUERY} queries, the icons of the pocket suite, pocket-vit's 128 features, cached; all give "
        "the same accuracies. easyfsl: the published loop of easyfsl 1.5.0 (`pip install easyfsl`) written again, "
        f"because the package does not run under torch 2.14; {COUNTS[0]} tasks timed and scaled. Naive: each episode's "
        f"images are embedded; {NAIVE} episodes timed and scaled. Lists of episodes are given to all; drawing them is "
        "timed separately. To reach: 50 times as fast as easyfsl, 500 times as fast as the naive loop."
    )
    heads = ("episodes", "s", "easyfsl, s", "ratio", "naive, s", "ratio", "drawing, s", "easyfsl's, s")
    return Table("Scoring cached episodes", note, heads, tuple(rows))


def row(shot: int, count: int, seconds: dict[str, float]) -> tuple[str, ...]:
    """Scale what was timed on fewer episodes, and compare."""
    own, many = seconds[f"score {count}"], count / COUNTS[0]
    easyfsl, naive = many * seconds["easyfsl"], count / NAIVE * seconds["naive"]
    return (
        f"{count:,} of {shot} shot{'s' * (shot > 1)}",
        f"{own:.3f}",
        f"{easyfsl:.2f}",
        f"{easyfsl / own:.0f}",
        f"{naive:.0f}",
        f"{naive / own:.0f}",
        f"{many * seconds['draw']:.2f}",
        f"{many * seconds['easyfsl draws']:.2f}",
    )
