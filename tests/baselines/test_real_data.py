"""The ceiling: real base images, and only these."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeshot.testing.toy import SPLITS, ToyImages
from freeshot_baselines.controls import RealData

if TYPE_CHECKING:
    from tests.conftest import Toy
    from torch import Tensor


def identities(images: Tensor) -> set[bytes]:
    return {(image * 255).round().byte().numpy().tobytes() for image in images}


def pictures(split: str) -> set[bytes]:
    images = ToyImages(tuple(SPLITS[split]))
    return identities(images.read(range(len(images))).float() / 255)


def test_tasks_are_made_of_base_images_only(toy: Toy) -> None:
    base, others = pictures("base"), pictures("novel") | pictures("validation")
    shown: set[bytes] = set()
    for task in toy.bench(RealData()).base_tasks(flip=False).take(20):
        shown |= identities(task.support.images) | identities(task.query.images)
    assert shown <= base
    assert not shown & others


def test_mirrored_tasks_are_made_of_base_images_only(toy: Toy) -> None:
    base = pictures("base")
    for task in toy.bench(RealData()).base_tasks(flip=True).take(5):
        for image in task.query.images:
            assert identities(image[None]) <= base or identities(image[None].flip(-1)) <= base


def test_its_row_is_a_ceiling_that_is_not_data_free(toy: Toy) -> None:
    tags = toy.record("real-data").tags
    assert (tags.role, tags.data_free, tags.tuning_free) == ("ceiling", "real data", True)


def test_it_needs_no_pool(toy: Toy) -> None:
    assert [stage.stage for stage in toy.record("real-data").stages] == ["meta-learning", "preparation", "evaluation"]
