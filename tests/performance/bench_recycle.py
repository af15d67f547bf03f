"""The whole of LoRA Recycle, ours against the loops as published, at equal images, steps, tasks and episodes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from tests.performance import published_recycle as published
from tests.performance.measure import Table
from tests.performance.setting import pocket
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from freeshot.contracts.dataset import Images
from freeshot.contracts.pool import LoraEntry
from freeshot.contracts.tensors import Adapter, Episode, SurrogateSet
from freeshot.engine import AdaptedLearner, Backbone, BankTeacher, SharedLora, factors_of
from freeshot.engine.inversion.mask_only import with_mask
from freeshot.engine.inversion.teacher import patch_side
from freeshot.evaluation.episodes import draw_episodes
from freeshot.evaluation.scoring import embed_episodes, score_episodes
from freeshot.pipeline.inversion import invert, surrogate_set
from freeshot.pipeline.task_sampler import SurrogateSource, Tasks, TaskShape
from freeshot.pool.store import open_pool
from freeshot_lora_recycle.inversion import LoraInversion
from freeshot_lora_recycle.prototype import Prototype
from freeshot_lora_recycle.pruning import ClsAttention
from freeshot_vision.pocket import POOL
from freeshot_vision.pocket.datasets import Icons

WAY, SHOT, QUERY = 5, 1, 15
EPISODES, ONE_BY_ONE = 600, 100
"""Test episodes, and how many of them the published evaluation is timed on."""
CPU = torch.device("cpu")
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Work:
    """The sizes, and everything that both ways begin with."""

    loras: int = 4
    steps: int = 10
    tasks: int = 40
    episodes: int = EPISODES
    backbone: Backbone = field(default_factory=lambda: pocket().backbone)
    strategy: ClsAttention = field(default_factory=ClsAttention)
    """75 % at the last layer: the masks of meta-training."""

    @cached_property
    def entries(self) -> tuple[LoraEntry, ...]:
        """The first LoRAs of the pocket pool."""
        return open_pool(POOL, self.backbone.sha256).entries[: self.loras]

    @cached_property
    def labels(self) -> Tensor:
        """The labels of a LoRA's images, as many as a task has."""
        return torch.arange(WAY).repeat_interleave(SHOT + QUERY)

    @cached_property
    def prune(self) -> dict[int, float]:
        """The layers and shares of the strategy."""
        depth = len(list(self.backbone.vit.get_submodule("blocks").children()))
        return dict.fromkeys(self.strategy.layers(depth), self.strategy.ratio)

    @cached_property
    def learner(self) -> Prototype:
        """The meta-learner, with the paper's schedule."""
        return Prototype(iterations=self.tasks)

    @cached_property
    def images(self) -> Images:
        """The test images."""
        return Icons().load("novel", Path())

    @cached_property
    def test(self) -> Sequence[Episode]:
        """The episodes of icons."""
        return draw_episodes(np.asarray(self.images.labels), WAY, SHOT, QUERY, 0, self.episodes)

    def stream(self, surrogates: Sequence[SurrogateSet]) -> Tasks:
        """Return the tasks of meta-training, half of them of one LoRA."""
        shape, side = TaskShape(WAY, SHOT, QUERY), patch_side(self.backbone.vit)
        return Tasks(SurrogateSource(surrogates, shape, 0.5, side, CPU, flip=True).draw, {}, 0)

    def untrained(self) -> SharedLora:
        """Return the meta-LoRA before training."""
        return SharedLora(self.backbone, 4, _rng(0))


def invert_own(work: Work) -> list[SurrogateSet]:
    """Invert the LoRAs; pruning at the last layer changes no feature, so masks are computed once afterwards."""
    inversion, sets = LoraInversion(iterations=work.steps, prior="none"), []
    for number, entry in enumerate(work.entries):
        made = invert(BankTeacher(work.backbone, [entry]), entry, inversion, SHOT + QUERY, _rng(number), None)
        sets.append(with_mask(work.backbone, entry, work.strategy, surrogate_set(entry, made)))
    return sets


def invert_published(work: Work) -> list[tuple[Tensor, Tensor]]:
    """Invert the LoRAs as published: images and masks of each."""
    return [
        published.invert(work.backbone, entry, work.labels, work.steps, work.prune, _rng(number))
        for number, entry in enumerate(work.entries)
    ]


def train_own(work: Work, surrogates: Sequence[SurrogateSet]) -> Adapter:
    """Meta-train on the surrogates."""
    return work.learner.fit(work.untrained(), work.stream(surrogates), _rng(0))


def train_published(work: Work, surrogates: Sequence[SurrogateSet]) -> published.PublishedNetwork:
    """Meta-train as published, on the same tasks."""
    start, entries = work.untrained().bank.entry_factors(0), {entry.name: entry for entry in work.entries}
    tasks, rates = work.stream(surrogates).take(work.tasks), [work.learner.rate(step) for step in range(work.tasks)]
    return published.meta_train(work.backbone, start, entries, tasks, rates)


def evaluate_own(work: Work, adapter: Adapter) -> list[float]:
    """Embed each image once with the merged adapter, and score the episodes."""
    embedded = embed_episodes(AdaptedLearner(work.backbone, adapter), work.images, work.test, CPU)
    return score_episodes(embedded, work.test).accuracies


def evaluate_published(work: Work, adapter: Adapter) -> list[float]:
    """Embed the images of one episode after the other, of the first few."""
    network = published.PublishedNetwork(work.backbone, factors_of(adapter))
    return published.evaluate(network, work.images, work.test[:ONE_BY_ONE])


def require_equal(work: Work, surrogates: Sequence[SurrogateSet]) -> None:
    """Require that both compute the same losses and masks, of an inversion's step and of tasks of both kinds."""
    entry, images = work.entries[0], surrogates[0].shots.images
    network = published.PublishedNetwork(work.backbone, entry.factors)
    with torch.no_grad():
        own = cross_entropy(BankTeacher(work.backbone, [entry], work.strategy).logits(images), work.labels)
        assert_close(published.inversion_loss(network, entry, images, work.labels, work.prune), own, rtol=0, atol=1e-5)
        assert_close(network(images, work.prune)[1], surrogates[0].shots.kept, rtol=0, atol=0)
        model = work.untrained()
        shared = published.PublishedNetwork(work.backbone, model.bank.entry_factors(0))
        teachers = {e.name: (published.PublishedNetwork(work.backbone, e.factors), e) for e in work.entries}
        kinds = {task.teacher_logits is None: task for task in work.stream(surrogates).take(20)}
        assert len(kinds) == 2
        for task in kinds.values():
            teacher = None if task.teacher_logits is None else teachers[task.sources[0]]
            expected = work.learner.loss(model, task)
            assert_close(published.task_loss(shared, task, teacher), expected, rtol=1e-5, atol=1e-5)


def bench(work: Work | None = None) -> Table:
    """Time the three stages once each, ours and as published, after a short run of both that warms up."""
    work = work or Work()
    _stages(replace(work, loras=2, steps=1, tasks=2, episodes=2))
    own, peer = _stages(work)
    sizes = {
        "inversion": f"{work.loras} LoRAs × {len(work.labels)} images × {work.steps} steps",
        "meta-training": f"{work.tasks} tasks of {len(work.labels)} images, 75 % of the patches left out",
        "evaluation": f"{work.episodes} episodes",
    }
    stages = [(f"{name}: {sizes[name]}", own[name], peer[name]) for name in sizes]
    stages.append(("the whole", sum(own.values()), sum(peer.values())))
    rows = tuple((name, f"{ours:.1f}", f"{theirs:.1f}", f"{theirs / ours:.1f}") for name, ours, theirs in stages)
    note = (
        "pocket-vit, 5-way 1-shot, icons, no prior. As published: the authors' loops written again from their "
        "description (one LoRA at a time as modules around layers, attention weights of every layer, patches dropped "
        "image by image, teachers computed anew for each task, each episode's images embedded), without their files "
        f"and without their test of 600 episodes after every 100 tasks; {ONE_BY_ONE} of its episodes are timed and "
        "scaled. Losses, masks and accuracies of both are equal. The sizes are about a track's share of the pocket "
        "suite's quick profile; longer inversions weigh more. To reach: 5 times as fast, the whole."
    )
    return Table("LoRA Recycle as a whole", note, ("stage", "s", "as published, s", "ratio"), rows)


def _stages(work: Work) -> tuple[dict[str, float], dict[str, float]]:
    """Return the seconds of each stage, ours and as published."""
    own, peer = dict[str, float](), dict[str, float]()
    assert len(work.test) == work.episodes  # drawn here, once for both
    surrogates, own["inversion"] = _timed(lambda: invert_own(work))
    _, peer["inversion"] = _timed(lambda: invert_published(work))
    require_equal(work, surrogates)
    adapter, own["meta-training"] = _timed(lambda: train_own(work, surrogates))
    _, peer["meta-training"] = _timed(lambda: train_published(work, surrogates))
    accuracies, own["evaluation"] = _timed(lambda: evaluate_own(work, adapter))
    expected, seconds = _timed(lambda: evaluate_published(work, adapter))
    peer["evaluation"] = seconds * work.episodes / len(expected)
    queries = np.abs(np.subtract(accuracies[: len(expected)], expected)).sum() * WAY * QUERY
    assert queries < 1.5, "more than one query at the border of two classes"
    return own, peer


def _timed(run: Callable[[], Result]) -> tuple[Result, float]:
    begun = time.perf_counter()
    result = run()
    return result, time.perf_counter() - begun


def _rng(seed: int) -> Generator:
    return torch.Generator().manual_seed(seed)
