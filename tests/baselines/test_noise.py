"""The floor: images that do not depend on their labels."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

from freeshot_baselines.controls import GaussianNoise

if TYPE_CHECKING:
    from tests.conftest import Toy
    from torch import Tensor


def teacher() -> Any:
    """Return a teacher with an image size and statistics, but without logits."""
    half = torch.full((1, 3, 1, 1), 0.5)
    return SimpleNamespace(image_size=8, mean=half, std=half / 2, device=torch.device("cpu"))


def noise(labels: list[int], seed: int = 0) -> Tensor:
    return GaussianNoise().synthesize(teacher(), torch.tensor(labels), torch.Generator().manual_seed(seed))


def test_noise_is_made_of_pixels() -> None:
    images = noise([0] * 50)
    assert images.shape == (50, 3, 8, 8)
    assert 0 <= float(images.min()) < float(images.max()) <= 1


def test_noise_has_the_networks_mean_and_deviation() -> None:
    images = noise([0] * 200)
    assert abs(float(images.mean()) - 0.5) < 0.01
    assert abs(float(images.std()) - 0.25) < 0.02  # clamping reduces it a little


def test_noise_does_not_depend_on_the_labels() -> None:
    assert torch.equal(noise([0, 0, 0]), noise([2, 0, 1]))


def test_noise_depends_on_the_seed() -> None:
    assert not torch.equal(noise([0]), noise([0], seed=1))


def test_its_row_is_a_floor_and_strictly_data_free(toy: Toy) -> None:
    record = toy.record("noise")
    assert (record.status, record.tags.role, record.tags.data_free) == ("ok", "floor", "strict")


def test_its_stages_are_those_of_an_inversion(toy: Toy) -> None:
    assert [stage.stage for stage in toy.record("noise").stages] == [
        "inversion",
        "meta-learning",
        "preparation",
        "evaluation",
    ]
