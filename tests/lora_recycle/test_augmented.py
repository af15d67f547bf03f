"""Augmentation crops and recolours each image differently, and the learner trains on augmented tasks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.lora_recycle.test_prototype import QUERY, SHOT, WAY, shots

from freeshot.basics.errors import OptionError
from freeshot.contracts.tensors import Task
from freeshot_lora_recycle.augmentation import random_crops, recoloured, resized_crops
from freeshot_lora_recycle.augmented import AugmentedPrototype
from freeshot_lora_recycle.prototype import Prototype

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 8


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 3) -> Tensor:
    return torch.rand(count, 3, SIDE, SIDE, generator=seeded(1), dtype=torch.float64)


def obvious_crop(image: Tensor, width: float, height: float, x: float, y: float) -> Tensor:
    """Sample one image [3, h, w] bilinearly, pixel by pixel, from the formulas."""
    out = torch.empty_like(image)
    for i in range(SIDE):
        for j in range(SIDE):
            # centres of the output's pixels in −1…1, moved into the crop, and back to indices of pixels
            u = (width * ((2 * j + 1) / SIDE - 1) + x + 1) * SIDE / 2 - 0.5
            v = (height * ((2 * i + 1) / SIDE - 1) + y + 1) * SIDE / 2 - 0.5
            u, v = min(max(u, 0), SIDE - 1), min(max(v, 0), SIDE - 1)
            left, top = min(int(u), SIDE - 2), min(int(v), SIDE - 2)
            across, down = u - left, v - top
            upper = (1 - across) * image[:, top, left] + across * image[:, top, left + 1]
            lower = (1 - across) * image[:, top + 1, left] + across * image[:, top + 1, left + 1]
            out[:, i, j] = (1 - down) * upper + down * lower
    return out


def test_a_crop_is_sampled_bilinearly() -> None:
    crops = torch.tensor([[0.5, 0.75, 0.25, -0.25], [1.0, 1.0, 0.0, 0.0], [0.3, 0.4, 0.7, 0.6]])
    made = resized_crops(images(), crops)
    for each, image, crop in zip(made, images(), crops.double(), strict=True):
        width, height, x, y = crop.tolist()
        torch.testing.assert_close(each, obvious_crop(image, width, height, x, y), rtol=1e-6, atol=1e-6)


def test_random_crops_stay_inside_and_differ_between_images() -> None:
    same = images(1).expand(50, -1, -1, -1)
    made = random_crops(same, 0.3, seeded())
    assert made.min() >= same.min()
    assert made.max() <= same.max()
    assert len({tuple(each.flatten().tolist()) for each in made}) == 50


def test_an_area_of_one_keeps_nearly_all_of_an_image() -> None:
    """Only the aspect ratio is random then; a side is at least the root of 3/4."""
    ramp = torch.linspace(0, 1, SIDE, dtype=torch.float64).expand(20, 3, SIDE, SIDE)
    made = random_crops(ramp, 1.0, seeded())
    spans = made[..., -1].mean((1, 2)) - made[..., 0].mean((1, 2))  # [n]
    assert spans.min() > 0.8
    assert spans.max() <= 1


def test_colours_change_within_the_stated_ranges() -> None:
    grey = torch.full((1000, 3, 1, 1), 0.5, dtype=torch.float64)
    channels = recoloured(grey, 0.8, seeded()).flatten(1)  # [n, 3]
    brightness = channels.mean(1)
    assert 0.5 * 0.6 - 0.2 <= brightness.min() < 0.35
    assert 0.65 < brightness.max() <= 0.5 * 1.4 + 0.2
    assert (channels.amax(1) - channels.amin(1)).max() <= 0.4 * 1.4, "channels differ by at most two moves"
    made = recoloured(images(), 1.0, seeded())
    assert made.min() >= 0
    assert made.max() <= 1


def test_a_strength_of_zero_changes_no_colour() -> None:
    torch.testing.assert_close(recoloured(images(), 0.0, seeded()), images())


class Seen:
    """A model that stores the images it embeds."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.images: list[Tensor] = []
        self.weight = torch.nn.Parameter(torch.ones((), dtype=torch.float64))

    def embed(self, images: Tensor, kept: Tensor | None = None) -> Tensor:
        self.images.append(images)
        return images.flatten(1)[:, :5] * self.weight

    def lora(self) -> list[torch.nn.Parameter]:
        return [self.weight]


def gradient(learner: Prototype, task: Task, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return the images of a step and the gradient of the weight."""
    model: Any = Seen()
    learner.compute_gradients(model, task, seeded(seed))
    assert model.weight.grad is not None
    return model.images[0], model.weight.grad


def made_task(kept: Tensor | None = None) -> Task:
    support, query = shots(SHOT, 1), shots(QUERY, 2)
    if kept is not None:  # [1, k]
        support, query = (replace(part, kept=kept.expand(len(part), -1)) for part in (support, query))
    return Task(support, query, WAY)


def test_without_crops_and_colours_it_is_the_published_learner() -> None:
    plain, augmented = Prototype(), AugmentedPrototype(crop=1.0, color=0.0)
    for expected, actual in zip(gradient(plain, made_task()), gradient(augmented, made_task()), strict=True):
        assert torch.equal(actual, expected)


def test_each_step_has_images_of_its_own_and_is_reproducible() -> None:
    learner = AugmentedPrototype()
    first, again, second = (gradient(learner, made_task(), seed)[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_images_with_a_mask_are_recoloured_but_not_cropped() -> None:
    task = made_task(kept=torch.tensor([[0]]))
    assert torch.equal(gradient(AugmentedPrototype(color=0.0), task)[0], gradient(Prototype(), task)[0])
    assert not torch.equal(gradient(AugmentedPrototype(), task)[0], gradient(Prototype(), task)[0])


@pytest.mark.parametrize(("option", "value"), [("crop", 0.0), ("crop", 1.5), ("color", -0.1), ("color", 2.0)])
def test_invalid_options_are_errors(option: str, value: float) -> None:
    with pytest.raises(OptionError, match=f"Option '{option}' of 'augmented-prototype' must be in"):
        AugmentedPrototype(**{option: value})  # type: ignore[arg-type]
