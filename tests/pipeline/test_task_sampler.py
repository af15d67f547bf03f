"""Tasks depend on the seed and their number; masks, logits and labels stay with their images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from freeshot.basics.errors import EpisodeError, PoolError
from freeshot.contracts.tensors import Shots, SurrogateSet, Task
from freeshot.pipeline.task_sampler import ImageSource, SurrogateSource, Tasks, TaskShape, hidden_classes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

CPU = torch.device("cpu")
SIDE, PER_CLASS = 3, 6
KEPT = torch.tensor([0, 2, 3, 7])


def surrogates(lora_number: int, class_ids: Sequence[int], per_class: int = PER_CLASS) -> SurrogateSet:
    """Make images of one pixel per patch: red encodes the patch, green the image, blue the class id."""
    count = per_class * len(class_ids)
    labels = torch.arange(len(class_ids)).repeat_interleave(per_class)
    number = torch.arange(count, dtype=torch.float32)
    images = torch.zeros(count, 3, SIDE, SIDE)
    images[:, 0] = torch.arange(SIDE * SIDE, dtype=torch.float32).view(SIDE, SIDE) / 100
    images[:, 1] = (number / 100).view(-1, 1, 1)
    images[:, 2] = (torch.tensor(class_ids)[labels] / 100).view(-1, 1, 1)
    logits = torch.stack([number, torch.full_like(number, lora_number)], 1)
    return SurrogateSet(
        Shots(images, labels, KEPT.expand(count, -1)), tuple(class_ids), logits, -logits, f"lora-{lora_number}"
    )


def tasks_of(
    sets: Sequence[SurrogateSet], share: float, way: int = 2, *, flip: bool = False, seed: int = 1
) -> list[Task]:
    source = SurrogateSource(sets, TaskShape(way, 1, 2), share, SIDE, CPU, flip=flip)
    return list(Tasks(source.draw, {}, seed).take(30))


def class_ids_of(shots: Shots) -> list[int]:
    return (shots.images[:, 2, 0, 0] * 100).round().int().tolist()


def mirrored(shots: Shots) -> Tensor:
    return shots.images[:, 0, 0, 0] > shots.images[:, 0, 0, -1]


POOL = [surrogates(1, (10, 11)), surrogates(2, (11, 12))]


def test_a_task_depends_on_the_seed_and_its_number_alone() -> None:
    source = SurrogateSource(POOL, TaskShape(2, 1, 2), 0.5, SIDE, CPU, flip=True)
    (*_, third) = Tasks(source.draw, {}, 5).take(3)
    again = list(Tasks(source.draw, {}, 5).take(7))[2]
    assert torch.equal(third.query.images, again.query.images)


def test_another_seed_gives_other_tasks() -> None:
    first, second = tasks_of(POOL, 0.5, seed=1), tasks_of(POOL, 0.5, seed=2)
    assert not all(torch.equal(a.query.images, b.query.images) for a, b in zip(first, second, strict=True))


def test_taking_tasks_reports_progress() -> None:
    reported: list[tuple[int, int]] = []
    source = SurrogateSource(POOL, TaskShape(2, 1, 2), 1, SIDE, CPU, flip=False)
    list(Tasks(source.draw, {}, 0, lambda done, total: reported.append((done, total))).take(2))
    assert reported == [(1, 2), (2, 2)]


def test_wanted_tasks_are_taken_in_order() -> None:
    source = SurrogateSource(POOL, TaskShape(2, 1, 2), 1, SIDE, CPU, flip=False)
    reported: list[tuple[int, int]] = []
    tasks = Tasks(source.draw, {}, 3, lambda done, total: reported.append((done, total)))
    actual = list(tasks.take_where(4, lambda task: task.sources[0] == "lora-1"))
    slow = [task for task in Tasks(source.draw, {}, 3).take(40) if task.sources[0] == "lora-1"][:4]
    assert all(torch.equal(a.query.images, b.query.images) for a, b in zip(actual, slow, strict=True))
    assert reported == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_of_ten_unwanted_tasks_in_a_row_the_tenth_is_taken() -> None:
    source = SurrogateSource(POOL, TaskShape(2, 1, 2), 1, SIDE, CPU, flip=False)
    actual = list(Tasks(source.draw, {}, 3).take_where(2, lambda task: False))
    all_tasks = list(Tasks(source.draw, {}, 3).take(20))
    assert len(actual) == 2
    assert torch.equal(actual[0].query.images, all_tasks[9].query.images)
    assert torch.equal(actual[1].query.images, all_tasks[19].query.images)


def test_a_share_of_one_gives_tasks_of_one_lora_with_its_logits() -> None:
    for task in tasks_of(POOL, 1.0):
        assert task.teacher_logits is not None
        assert set(class_ids_of(task.support)) in ({10, 11}, {11, 12})


def test_a_share_of_zero_gives_no_logits() -> None:
    assert all(task.teacher_logits is None for task in tasks_of(POOL, 0.0))


def test_mixed_tasks_cross_loras() -> None:
    assert any(set(class_ids_of(task.support)) == {10, 12} for task in tasks_of(POOL, 0.0))


def test_a_class_of_two_loras_is_a_single_class_of_a_task() -> None:
    for task in tasks_of(POOL, 0.0, way=3):
        assert sorted(class_ids_of(task.support)) == [10, 11, 12]


def test_a_class_of_two_loras_is_taken_from_either() -> None:
    other = surrogates(2, (11, 12))
    other.shots.images[:, 1] += 0.5
    seen = [
        float(image[1, 0, 0]) > 0.45
        for task in tasks_of([surrogates(1, (10, 11)), other], 0.0, way=3)
        for image, class_id in zip(task.support.images, class_ids_of(task.support), strict=True)
        if class_id == 11
    ]
    assert set(seen) == {True, False}


def test_labels_number_the_classes_of_the_task() -> None:
    for task in tasks_of(POOL, 0.5):
        names = dict(zip(task.support.labels.tolist(), class_ids_of(task.support), strict=True))
        assert [names[label] for label in task.query.labels.tolist()] == class_ids_of(task.query)


def test_support_and_query_share_no_image() -> None:
    for task in tasks_of(POOL, 1.0):
        numbers = [set((part.images[:, 1, 0, 0] * 100).round().tolist()) for part in (task.support, task.query)]
        assert not numbers[0] & numbers[1]


def test_logits_belong_to_the_query_image_as_mirrored() -> None:
    for task in tasks_of(POOL, 1.0, flip=True):
        assert task.teacher_logits is not None
        sign = torch.where(mirrored(task.query), -1.0, 1.0)
        number = (task.query.images[:, 1, 0, 0] * 100).round()
        assert torch.equal(task.teacher_logits[:, 0], sign * number)


def test_the_mask_of_a_mirrored_image_is_mirrored() -> None:
    seen = set()
    for task in tasks_of(POOL, 0.5, flip=True):
        assert task.query.kept is not None
        shown = (task.query.images[:, 0].flatten(1).gather(1, task.query.kept) * 100).round().long()
        assert torch.equal(shown.sort(1).values, KEPT.expand_as(shown))
        seen |= set(mirrored(task.query).tolist())
    assert seen == {True, False}


def test_without_flipping_no_image_is_mirrored() -> None:
    assert not any(mirrored(task.query).any() for task in tasks_of(POOL, 0.5))


def test_too_few_surrogates_per_class_are_an_error() -> None:
    with pytest.raises(PoolError, match=r"LoRA 'lora-0' gave 1 surrogate images per class, .* Raise per_class\."):
        tasks_of([surrogates(0, (0, 1), per_class=1)], 1.0)


def test_a_pool_with_too_few_classes_to_mix_is_an_error() -> None:
    with pytest.raises(PoolError, match=r"has 3 classes, too few to mix 4-way tasks\. Set lora_share=1\."):
        tasks_of(POOL, 0.5, way=4)


@dataclass(frozen=True)
class RealImages:
    """Real images of 3 classes; red encodes the column, green the image."""

    per_class: int = 4
    offset: int = 0
    sha256: str = "real"

    @property
    def labels(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(3), self.per_class)

    @property
    def classes(self) -> tuple[str, ...]:
        return ("a", "b", "c")

    def __len__(self) -> int:
        return 3 * self.per_class

    def read(self, indices: Sequence[int]) -> Tensor:
        images = torch.zeros(len(indices), 3, 2, 2, dtype=torch.uint8)
        images[:, 0] = torch.tensor([0, 9], dtype=torch.uint8)
        images[:, 1] = (torch.tensor(list(indices)) + self.offset).to(torch.uint8).view(-1, 1, 1)
        return images


def real_tasks(*sources: RealImages, flip: bool = False, seed: int = 0) -> list[Task]:
    source = ImageSource(sources, TaskShape(2, 1, 2), CPU, flip=flip)
    return list(Tasks(source.draw, {}, seed).take(20))


def numbers_of(shots: Shots) -> list[int]:
    return (shots.images[:, 1, 0, 0] * 255).round().int().tolist()


def test_real_tasks_depend_on_seed_and_number_alone() -> None:
    assert [numbers_of(t.query) for t in real_tasks(RealImages())] == [
        numbers_of(t.query) for t in real_tasks(RealImages())
    ]
    assert numbers_of(real_tasks(RealImages())[1].query) != numbers_of(real_tasks(RealImages(), seed=9)[1].query)


def test_a_real_task_has_images_of_one_data_set() -> None:
    for task in real_tasks(RealImages(), RealImages(offset=100)):
        assert len({number >= 100 for number in numbers_of(task.support) + numbers_of(task.query)}) == 1


def test_real_labels_number_the_classes_of_the_task() -> None:
    for task in real_tasks(RealImages()):
        classes = [number // 4 for number in numbers_of(task.support)]
        assert [classes[label] for label in task.query.labels.tolist()] == [n // 4 for n in numbers_of(task.query)]


def test_real_tasks_have_no_teacher() -> None:
    assert all(task.teacher_logits is None for task in real_tasks(RealImages()))


def test_real_images_are_mirrored_at_random_on_request() -> None:
    shown = [bool(m) for task in real_tasks(RealImages(), flip=True) for m in mirrored(task.query)]
    assert set(shown) == {True, False}


def test_too_few_real_images_per_class_are_an_error() -> None:
    with pytest.raises(EpisodeError, match=r"with 3 images each cannot be drawn .* the poorest with 2"):
        real_tasks(RealImages(per_class=2))


# --- held-out classes --------------------------------------------------------------------------

WIDE = [surrogates(1, (10, 11, 12)), surrogates(2, (12, 13, 14))]


def wide(lora_number: int, ids: Sequence[int]) -> SurrogateSet:
    """Return surrogates whose logits name the column: [n, c]."""
    made = surrogates(lora_number, ids)
    columns = torch.arange(len(ids), dtype=torch.float32).expand(len(made.shots), -1)
    return SurrogateSet(made.shots, made.class_ids, columns, columns, made.source)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_hidden_classes_are_in_no_task(share: float) -> None:
    sets = [wide(1, (10, 11, 12)), wide(2, (12, 13, 14))]
    source = SurrogateSource(sets, TaskShape(2, 1, 2), share, SIDE, CPU, flip=False, hidden={12, 13})
    seen = set()
    for task in Tasks(source.draw, {}, 0).take(30):
        seen |= {*class_ids_of(task.support), *class_ids_of(task.query)}
    assert seen == ({10, 11} if share == 1 else {10, 11, 14})


def test_a_loras_logits_are_restricted_to_the_remaining_classes() -> None:
    source = SurrogateSource([wide(1, (10, 11, 12))], TaskShape(2, 1, 2), 1.0, SIDE, CPU, flip=True, hidden={11})
    (task,) = Tasks(source.draw, {}, 0).take(1)
    assert task.way == 2
    assert task.teacher_logits is not None
    assert {tuple(row) for row in task.teacher_logits.tolist()} == {(0.0, 2.0)}


def test_a_lora_with_one_remaining_class_makes_no_task_of_its_own() -> None:
    with pytest.raises(PoolError, match="Hold out fewer classes"):
        SurrogateSource([wide(1, (10, 11))], TaskShape(2, 1, 2), 1.0, SIDE, CPU, flip=False, hidden={11})


def test_the_hidden_and_the_remaining_classes_suffice_for_a_task() -> None:
    rng = torch.Generator().manual_seed(0)
    assert len(hidden_classes(WIDE, 0.1, 2, rng)) == 2
    assert len(hidden_classes(WIDE, 0.6, 2, rng)) == 3
    with pytest.raises(PoolError, match="Lower held_out"):
        hidden_classes(WIDE, 0.9, 2, rng)
