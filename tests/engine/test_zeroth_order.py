"""Gradients from outputs alone: the estimate is its formula, and on average the gradient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from freeshot.engine.inversion.zeroth_order import estimated_gradient, unit_directions

SIDE = 4
IMAGES = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
SLOPES = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(8), dtype=torch.float64)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def curved(images: Tensor) -> Tensor:
    """Return a loss of each image, whose gradient differs from image to image."""
    slopes = SLOPES.repeat_interleave(len(images) // 2, dim=0)
    return (images * slopes).sum((1, 2, 3)) + images.pow(3).sum((1, 2, 3))


@pytest.mark.parametrize(("grid", "freedom"), [(0, 48), (2, 12)])
def test_the_estimate_is_its_formula(grid: int, freedom: int) -> None:
    actual = estimated_gradient(curved, IMAGES, 7, 0.01, rng(), grid, at_once=3)
    draws = rng()
    units = torch.cat([unit_directions(IMAGES, count, grid, draws) for count in (3, 3, 1)], dim=1)
    for n in range(2):

        def loss(image: Tensor, n: int = n) -> Tensor:
            return (image * SLOPES[n]).sum() + image.pow(3).sum()

        slow = torch.zeros(3, SIDE, SIDE, dtype=torch.float64)
        for unit in units[n]:
            slow += freedom / 7 * (loss(IMAGES[n] + 0.01 * unit) - loss(IMAGES[n])) / 0.01 * unit
        assert torch.allclose(actual.gradient[n], slow, rtol=0, atol=1e-9)
        assert float(actual.losses[n]) == pytest.approx(float(loss(IMAGES[n])))


def test_on_average_the_estimate_is_the_gradient() -> None:
    actual = estimated_gradient(curved, IMAGES, 20000, 1e-4, rng(), at_once=500).gradient
    exact = SLOPES + 3 * IMAGES.square()
    assert float((actual - exact).norm() / exact.norm()) < 0.1  # √(d/q) = 0.05


def test_on_a_grid_the_estimate_is_the_gradient_averaged_over_its_cells() -> None:
    actual = estimated_gradient(curved, IMAGES, 20000, 1e-4, rng(), 2, at_once=500).gradient
    exact = (
        torch.nn.functional.avg_pool2d(SLOPES + 3 * IMAGES.square(), 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
    )
    assert float((actual - exact).norm() / exact.norm()) < 0.1


def test_the_number_of_queries_is_the_documented_one() -> None:
    batches: list[int] = []

    def losses(images: Tensor) -> Tensor:
        batches.append(len(images))
        return images.sum((1, 2, 3))

    estimated_gradient(losses, IMAGES, 7, 0.01, rng(), at_once=3)
    assert batches == [2, 6, 6, 2]


def test_directions_have_length_one() -> None:
    for grid in (0, 2):
        units = unit_directions(IMAGES, 5, grid, rng())
        assert units.shape == (2, 5, 3, SIDE, SIDE)
        assert torch.allclose(units.flatten(2).norm(dim=2), torch.ones(2, 5, dtype=torch.float64))
