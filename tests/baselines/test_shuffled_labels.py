"""The floor of shuffled labels: all images are kept, and labels are independent of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from freeshot.contracts.tensors import Shots, SurrogateSet
from freeshot_baselines.controls import ShuffledLabels, shuffled

if TYPE_CHECKING:
    from tests.conftest import Toy
    from torch import Tensor


def numbered(start: int, count: int) -> SurrogateSet:
    """Make a set whose images and masks contain their number."""
    numbers = torch.arange(start, start + count)
    images = numbers.view(-1, 1, 1, 1).expand(-1, 3, 2, 2).float()
    logits = torch.arange(2.0 * count).view(count, 2) + start
    shots = Shots(images, torch.arange(count) % 2, numbers.view(-1, 1))
    return SurrogateSet(shots, (start, start + 1), logits, -logits, f"lora-{start}")


SETS = [numbered(0, 6), numbered(6, 4)]


def order(sets: list[SurrogateSet]) -> Tensor:
    return torch.cat([s.shots.images[:, 0, 0, 0] for s in sets]).long()


def test_images_change_places_across_the_pool_and_masks_go_with_them() -> None:
    actual = shuffled(SETS, torch.Generator().manual_seed(0))
    assert sorted(order(actual).tolist()) == list(range(10))
    assert order(actual).tolist() != list(range(10))
    masks = [s.shots.kept for s in actual]
    assert torch.equal(torch.cat([mask for mask in masks if mask is not None]).flatten(), order(actual))


def test_labels_and_logits_stay() -> None:
    for actual, given in zip(shuffled(SETS, torch.Generator().manual_seed(0)), SETS, strict=True):
        assert torch.equal(actual.shots.labels, given.shots.labels)
        assert torch.equal(actual.teacher_logits, given.teacher_logits)
        assert (actual.class_ids, actual.source) == (given.class_ids, given.source)


def test_the_order_depends_on_the_seed() -> None:
    first, again, other = (order(shuffled(SETS, torch.Generator().manual_seed(seed))) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


class StubBench:
    """A bench with recovered images, which records the sets that tasks are drawn from."""

    drawn_from: list[SurrogateSet]

    def surrogates(self, *_: object) -> list[SurrogateSet]:
        return SETS

    def surrogate_tasks(self, surrogates: list[SurrogateSet], *_: object, **__: object) -> None:
        self.drawn_from = surrogates

    def meta_learn(self, *_: object) -> None:
        return

    def adapted(self, adapter: None) -> None:
        return

    def rng(self, name: str) -> torch.Generator:
        return torch.Generator().manual_seed(len(name))


def test_meta_training_sees_the_shuffled_images_only() -> None:
    bench: Any = StubBench()
    ShuffledLabels().prepare(bench)
    assert order(bench.drawn_from).tolist() == order(shuffled(SETS, bench.rng("shuffle"))).tolist()
    assert order(bench.drawn_from).tolist() != order(SETS).tolist()
    assert [s.shots.labels.tolist() for s in bench.drawn_from] == [s.shots.labels.tolist() for s in SETS]


def test_shuffled_labels_are_a_floor(toy: Toy) -> None:
    options = ("inversion=gaussian-noise", "learner.iterations=3", "per_class=5")
    record = toy.record("shuffled-labels", options=options)
    assert (record.status, record.tags.role, record.tags.tuning_free) == ("ok", "floor", True)
